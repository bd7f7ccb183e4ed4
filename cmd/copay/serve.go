package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/telemetry"
	"github.com/copayflow/copayflow/worker"
)

// serverCommands are the commands that read the configuration file: the
// processes themselves, migration, doctor and development tokens.
func serverCommands() []*cobra.Command {
	var path string
	all := []*cobra.Command{apiCommand(&path), workerCommand(&path), migrateCommand(&path), doctorCommand(&path), tokenCommand(&path)}
	for _, c := range all {
		c.Flags().StringVar(&path, "config", envOr("COPAY_CONFIG", "copay.yaml"), "configuration file")
	}
	return all
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
		Use: "api", Short: "Serve gRPC, REST, webhooks, pay page and codec, and dispatch the inbox", Args: cobra.NoArgs,
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
		Use: "worker", Short: "Run workflows and activities", Args: cobra.NoArgs,
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
		Use: "migrate", Short: "Bring database schema, Temporal namespace and search attributes up to date", Args: cobra.NoArgs,
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

// doctorWait bounds one platform's test.
const doctorWait = 20 * time.Second

func doctorCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check configuration, database, Temporal, keys and every platform's credentials", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			p, err := open(ctx, *path, "copay-doctor", io.Discard)
			if err != nil {
				return err
			}
			defer p.Close(ctx)
			bad := 0
			line := func(what, ok string, err error) {
				if err != nil {
					bad++
					fmt.Fprintf(out, "  ✗ %-28s %v\n", what, err)
					return
				}
				fmt.Fprintf(out, "  ✓ %-28s %s\n", what, ok)
			}
			fmt.Fprintf(out, "configuration %s\n", *path)
			line("database", "reachable", p.Store.Ping(ctx))
			_, err = p.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			line("temporal", p.Config.Temporal.Address+", namespace "+p.Config.Temporal.Namespace, err)
			for _, id := range p.Directory.Practices() {
				fmt.Fprintf(out, "practice %s\n", id)
				for _, s := range p.Directory.Statuses(id) {
					ok, err := test(ctx, p.Directory, s)
					line(string(s.Platform), ok, err)
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d checks failed; mend what is marked and run doctor again", bad)
			}
			return nil
		},
	}
}

// test makes one cheap, harmless call with a platform's credentials.
func test(ctx context.Context, d *integrations.Directory, s integrations.Status) (string, error) {
	if s.Err != nil {
		return "", s.Err
	}
	t, err := integrations.As[integrations.Tester](d, s.Practice, s.Platform)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	return t.TestConnection(ctx)
}

func tokenCommand(path *string) *cobra.Command {
	var roles, practices []string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "token SUBJECT", Short: "Mint a token (development only)", Args: cobra.ExactArgs(1),
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
			if len(practices) == 0 {
				for _, p := range cfg.Practices {
					practices = append(practices, string(p.ID))
				}
			}
			token, err := auth.MintDev(secret, args[0], roles, practices, time.Now(), ttl)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), token)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", []string{"front_desk"}, "front_desk, biller, auditor, admin, service")
	cmd.Flags().StringSliceVar(&practices, "for", nil, "practices; all configured ones when empty")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is valid")
	return cmd
}
