// Command copay is Copayflow: the API, the worker, migrations, and the CLI of
// staff, auditors and developers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "copay:", err)
		os.Exit(exitCode(err))
	}
}
