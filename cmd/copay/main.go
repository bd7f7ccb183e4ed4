// Command copay is Copayflow: the API, the worker, migrations, and the CLI of
// staff, auditors and developers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	cmd := root()
	err := cmd.ExecuteContext(ctx)
	stop()
	if err != nil {
		complain(os.Stderr, cmd, os.Args[1:], err)
		os.Exit(exitCode(err))
	}
}
