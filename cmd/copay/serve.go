package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/telemetry"
	"github.com/copayflow/copayflow/worker"
)

// serverCommands are the commands that read the configuration file: the
// processes themselves, migration, waking, doctor and development tokens.
func serverCommands() []*cobra.Command {
	var path string
	all := []*cobra.Command{apiCommand(&path), workerCommand(&path), migrateCommand(&path), wakeCommand(&path), doctorCommand(&path), tokenCommand(&path)}
	for _, c := range all {
		c.Flags().StringVar(&path, "config", envOr("COPAY_CONFIG", "copay.yaml"), "configuration file")
	}
	return append(all, apiKeyCommand())
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// open reads the configuration and sets the process up.
func open(ctx context.Context, path, service string, out io.Writer) (*worker.Process, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	log, err := telemetry.NewLogger(out, cfg.Telemetry.LogLevel, cfg.Telemetry.LogFormat)
	if err != nil {
		return nil, err
	}
	slog.SetDefault(log)
	return worker.Open(ctx, cfg, service, log)
}

func apiCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use: "api", Short: "Serve gRPC, REST, webhooks, pay page and codec, and dispatch the inbox", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			p, err := open(ctx, *path, "copay-api", cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer p.Close(ctx)
			l, err := serve.Listen(p.Config.Listen)
			if err != nil {
				return err
			}
			p.Log.Info("serving", "http", p.Config.Listen.HTTP, "grpc", p.Config.Listen.GRPC, "metrics", p.Config.Listen.Metrics)
			return serve.API(ctx, p, l)
		},
	}
}

func workerCommand(path *string) *cobra.Command {
	var metrics string
	cmd := &cobra.Command{
		Use: "worker", Short: "Run workflows and activities", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			p, err := open(ctx, *path, "copay-worker", cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer p.Close(ctx)
			l, err := net.Listen("tcp", metrics)
			if err != nil {
				return fmt.Errorf("the metrics address %s is taken or cannot be used; choose another one with --metrics", metrics)
			}
			p.Log.Info("working", "task_queue", "copay", "metrics", l.Addr().String())
			return serve.Worker(ctx, p, l)
		},
	}
	cmd.Flags().StringVar(&metrics, "metrics", "127.0.0.1:9092", "address of the metrics and health page; port 0 takes any")
	return cmd
}

func migrateCommand(path *string) *cobra.Command {
	var temporalFile string
	var rewrap, rotate, noTemporal bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring database schema, Temporal namespace and search attributes up to date", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			cfg, err := config.Load(*path)
			if err != nil {
				return err
			}
			if err := serve.Migrate(ctx, cfg); err != nil {
				return err
			}
			fmt.Fprintln(out, "database schema is up to date")
			if rewrap || rotate {
				s, err := worker.OpenStore(ctx, cfg, time.Now)
				if err != nil {
					return err
				}
				defer s.Close()
				if err := changeKeys(ctx, out, s, cfg, rewrap, rotate); err != nil {
					return err
				}
			}
			if noTemporal {
				return nil
			}
			t, err := config.LoadTemporalDev(temporalFile)
			if err != nil {
				return err
			}
			p, err := open(ctx, *path, "copay-migrate", io.Discard)
			if err != nil {
				return err
			}
			defer p.Close(ctx)
			if err := serve.MigrateTemporal(ctx, p.Temporal, cfg.Temporal.Namespace, cfg.Temporal.Retention, serve.AttributeTypes(t)); err != nil {
				return err
			}
			fmt.Fprintf(out, "namespace %s keeps histories for %s and has %d search attributes\n", cfg.Temporal.Namespace, cfg.Temporal.Retention, len(t.SearchAttributes))
			return nil
		},
	}
	cmd.Flags().StringVar(&temporalFile, "temporal-config", "temporal-dev.yaml", "file that lists the search attributes")
	cmd.Flags().BoolVar(&rewrap, "rewrap", false, "wrap all data keys with the current master key")
	cmd.Flags().BoolVar(&rotate, "rotate-data-keys", false, "give every practice a new key for what is sealed from now on")
	cmd.Flags().BoolVar(&noTemporal, "no-temporal", false, "only the database")
	return cmd
}

// changeKeys gives practices new data keys and wraps all of them with the
// current master key, as was asked for.
func changeKeys(ctx context.Context, out io.Writer, s *ledger.Store, cfg *config.Config, rewrap, rotate bool) error {
	if rotate {
		for _, p := range cfg.Practices {
			if err := s.RotateDataKey(ctx, p.ID); err != nil {
				return err
			}
			fmt.Fprintf(out, "practice %s has a new data key\n", p.ID)
		}
	}
	if rewrap {
		n, err := s.RewrapKeys(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%d data keys wrapped with the current master key\n", n)
	}
	return nil
}

func tokenCommand(path *string) *cobra.Command {
	var roles, practices []string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "token SUBJECT", Short: "Mint a token (development only)", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(*path)
			if err != nil {
				return err
			}
			if !cfg.Auth.Dev.Enabled {
				return fmt.Errorf("tokens are minted only in development; in production people sign in with OIDC and machines use API keys")
			}
			secret, err := integrations.ResolveSecret(cfg.Auth.Dev.Secret)
			if err != nil {
				return err
			}
			if p := cmd.Flag("practice"); len(practices) == 0 && p != nil && p.Changed {
				practices = []string{p.Value.String()}
			}
			if practices, err = known(cfg, roles, practices); err != nil {
				return err
			}
			token, err := auth.MintDev(secret, args[0], roles, practices, time.Now(), ttl)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"front_desk"}, strings.Join(everyRole, ", "))
	cmd.Flags().StringSliceVar(&practices, "for", nil, "practices; all configured ones when empty")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is valid")
	return cmd
}

var everyRole = []string{string(copay.RoleFrontDesk), string(copay.RoleBiller), string(copay.RoleAuditor), string(copay.RoleAdmin), string(copay.RoleService)}

func knownRole(r string) error {
	if !slices.Contains(everyRole, r) {
		return usagef("there is no role %q; use %s", r, strings.Join(everyRole, ", "))
	}
	return nil
}

// known refuses roles and practices there are not, with which a token would be
// refused everywhere. No practice means all that are configured.
func known(cfg *config.Config, roles, practices []string) ([]string, error) {
	for _, r := range roles {
		if err := knownRole(r); err != nil {
			return nil, err
		}
	}
	var all []string
	for _, p := range cfg.Practices {
		all = append(all, string(p.ID))
	}
	if len(practices) == 0 {
		return all, nil
	}
	for _, p := range practices {
		if p != auth.AllPractices && !slices.Contains(all, p) {
			return nil, usagef("there is no practice %q; the configuration has %s", p, strings.Join(all, ", "))
		}
	}
	return practices, nil
}
