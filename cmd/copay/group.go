package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// group is a command that only holds others. A word it does not know is a
// mistake and not a wish for help.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2, RunE: astray}
	cmd.AddCommand(subs...)
	return cmd
}

// astray helps whoever wrote no command, and corrects whoever wrote one that
// there is not.
func astray(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return usagef("there is no '%s %s'; did you mean %s?", cmd.CommandPath(), args[0], strings.Join(like, " or "))
	}
	return usagef("there is no '%s %s'; '%s --help' says what there is", cmd.CommandPath(), args[0], cmd.CommandPath())
}

// exactly asks for a command's arguments and names them when they are not all
// there, or too many.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usagef("write: %s%s", cmd.CommandPath(), strings.TrimPrefix(cmd.Use, cmd.Name()))
	}
}

// correctHelp lets 'copay help' fail for a command there is not; the library's
// ends well.
func correctHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, help := range root.Commands() {
		if help.Name() == "help" {
			help.Run = nil
			help.RunE = func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil {
					return usageError{err}
				}
				if len(rest) > 0 {
					return astray(about, rest)
				}
				about.InitDefaultHelpFlag()
				about.InitDefaultVersionFlag()
				return about.Help()
			}
		}
	}
}
