package main

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// completeWait bounds how long a shell waits for ids to offer.
const completeWait = 2 * time.Second

// shells are those that can be taught, and how.
var shells = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        (*cobra.Command).GenZshCompletion,
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
}

// completionCommand stands in place of the library's, which answers a shell
// that it does not know with its help, as if all were well.
func completionCommand() *cobra.Command {
	names := slices.Sorted(maps.Keys(shells))
	return &cobra.Command{
		Use: "completion " + strings.Join(names, "|"), Short: "Print what teaches a shell commands, states and co-pays",
		Example: `  source <(copay completion bash)
  copay completion zsh > "${fpath[1]}/_copay"
  copay completion fish > ~/.config/fish/completions/copay.fish`,
		Args: exactly(1), ValidArgsFunction: offerShells(names),
		RunE: func(cmd *cobra.Command, args []string) error {
			teach, ok := shells[args[0]]
			if !ok {
				return usagef("there is nothing for the shell %q; use one of %s", args[0], strings.Join(names, ", "))
			}
			return teach(cmd.Root(), cmd.OutOrStdout())
		},
	}
}

func offerShells(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// choose lets the shell offer an enum's values for a flag.
func choose(cmd *cobra.Command, flag, prefix string, values map[string]int32) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(shorts(prefix, values), cobra.ShellCompDirectiveNoFileComp)) // the flag was just defined
}

// shorts are the short names of an enum's values, without the one for "not said".
func shorts(prefix string, values map[string]int32) []string {
	var names []string
	for name, v := range values {
		if v != 0 {
			names = append(names, short(prefix, name))
		}
	}
	return sorted(names)
}

// offerCoPays lets the shell offer the practice's latest co-pays as the first
// argument of every command that takes one, and rails as the second. Without
// an answer it offers nothing; files are never meant.
func offerCoPays(c *connection, cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		offerCoPays(c, sub)
		if sub.ValidArgsFunction != nil || sub.HasSubCommands() {
			continue
		}
		words := strings.Fields(sub.Use)
		sub.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			switch {
			case len(args) == 0 && len(words) > 1 && words[1] == "COPAY":
				return c.latest(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
			case len(args) == 1 && len(words) > 2 && words[2] == "RAIL":
				return shorts("RAIL_", copayv1.Rail_value), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// latest are the ids of the latest co-pays, each with its state.
func (c *connection) latest(ctx context.Context) []cobra.Completion {
	ctx, conn, err := c.dial(ctx)
	if err != nil {
		return nil
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, completeWait)
	defer cancel()
	r, err := copayv1.NewCoPayServiceClient(conn).ListCoPays(ctx, &copayv1.ListCoPaysRequest{PracticeId: c.practice})
	if err != nil {
		return nil
	}
	var list []cobra.Completion
	for _, x := range r.GetCopays() {
		list = append(list, cobra.CompletionWithDesc(x.GetId(), state(x.GetState())))
	}
	return list
}
