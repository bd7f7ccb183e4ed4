package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func apiKeyCommand() *cobra.Command {
	var roles, practices []string
	cmd := &cobra.Command{
		Use: "api-key ID", Short: "Make a machine's key: the key itself, and the lines for the configuration", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" || strings.ContainsAny(args[0], ". \t\n\"'") {
				return usagef("%q cannot be a key's id: no dots, spaces or quotes", args[0])
			}
			for _, r := range roles {
				if err := knownRole(r); err != nil {
					return err
				}
			}
			return writeKey(cmd.OutOrStdout(), args[0], roles, practices)
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"service"}, strings.Join(everyRole, ", "))
	cmd.Flags().StringSliceVar(&practices, "for", nil, "practices it may reach")
	_ = cmd.MarkFlagRequired("for") // the flag was just defined
	return cmd
}

// writeKey makes a secret and prints it once; what the configuration keeps
// does not give it away.
func writeKey(w io.Writer, id string, roles, practices []string) error {
	secret := rand.Text()
	sum := sha256.Sum256([]byte(secret))
	_, err := fmt.Fprintf(w, `The key, for COPAY_API_KEY or "Authorization: ApiKey …"; it is shown only now:

  %s.%s

For the configuration, under auth.api_keys:

    - id: %s
      sha256: "%s"
      roles: [%s]
      practices: [%s]
`, id, secret, id, hex.EncodeToString(sum[:]), strings.Join(roles, ", "), strings.Join(practices, ", "))
	return err
}
