// Package serve runs the product's processes: what `copay api` and `copay
// worker` are in production, and what the development stack runs in one.
package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/copayflow/copayflow/api"
	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/api/codecserver"
	"github.com/copayflow/copayflow/api/paypage"
	"github.com/copayflow/copayflow/api/webhook"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

// Listeners are where an API process is reached.
type Listeners struct{ HTTP, GRPC, Metrics net.Listener }

// Listen opens the configured addresses; a taken one is named.
func Listen(l config.Listen) (Listeners, error) {
	var out Listeners
	for _, x := range []struct {
		name, addr string
		into       *net.Listener
	}{{"listen.http", l.HTTP, &out.HTTP}, {"listen.grpc", l.GRPC, &out.GRPC}, {"listen.metrics", l.Metrics, &out.Metrics}} {
		lis, err := net.Listen("tcp", x.addr)
		if err != nil {
			out.Close()
			return Listeners{}, fmt.Errorf("%s: the address %s is taken or cannot be used; stop the other program or choose another one", x.name, x.addr)
		}
		*x.into = lis
	}
	return out, nil
}

// Close gives the addresses back.
func (l Listeners) Close() {
	for _, x := range []net.Listener{l.HTTP, l.GRPC, l.Metrics} {
		if x != nil {
			_ = x.Close()
		}
	}
}

// API serves gRPC, REST, webhooks, pay page and codec, and dispatches the
// inbox, until ctx ends; then it says that it is not ready for the configured
// while, and lets what is under way finish.
func API(ctx context.Context, p *worker.Process, l Listeners) error {
	defer l.Close()
	leaving := &parting{}
	srv, err := newAPI(p, leaving)
	if err != nil {
		return err
	}
	d, err := dispatch.New(p.Store.Inbox(), p.Store, p.Starter, dispatch.Options{Now: p.Now, Log: p.Log, Meter: p.Telemetry.Meters, Sources: sources(p.Directory)})
	if err != nil {
		return err
	}
	business, err := registerGauges(p)
	if err != nil {
		return err
	}
	defer func() { _ = business.Unregister() }() // the process ends
	serving, end := leaving.context(ctx, p.Config.Listen.Drain, srv.Leave)
	defer end()
	g, ctx := errgroup.WithContext(serving)
	g.Go(func() error { return srv.Serve(ctx, l.GRPC, l.HTTP) })
	g.Go(func() error { return ignoreCancel(ctx, d.Run(ctx)) })
	g.Go(func() error { return metrics(ctx, l.Metrics, p, leaving) })
	return g.Wait()
}

// sources are the platforms that push events or are asked for them, by practice.
func sources(d *integrations.Directory) map[copay.PracticeID][]copay.Platform {
	out := map[copay.PracticeID][]copay.Platform{}
	for _, practice := range d.Practices() {
		for _, s := range d.Statuses(practice) {
			_, push := integrations.As[integrations.WebhookSource](d, practice, s.Platform)
			_, poll := integrations.As[integrations.EventPoller](d, practice, s.Platform)
			if push == nil || poll == nil {
				out[practice] = append(out[practice], s.Platform)
			}
		}
	}
	return out
}

func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func newAPI(p *worker.Process, leaving *parting) (*api.Server, error) {
	who, err := Authenticator(p.Config)
	if err != nil {
		return nil, err
	}
	hooks, err := webhook.New(webhook.Options{Inbox: p.Store.Inbox(), Directory: p.Directory, PublicURL: p.Config.PublicURL, Now: p.Now, Log: p.Log, Meter: p.Telemetry.Meters})
	if err != nil {
		return nil, err
	}
	certs, err := listenTLS(p.Config.Listen.TLS)
	if err != nil {
		return nil, err
	}
	local := p.Config.Env == "dev"
	page, err := paypage.New(paypage.Options{Store: p.Store, Flows: p.Starter, Practices: payPractices(p.Config, p.Directory), Insecure: local, Now: p.Now, Log: p.Log})
	if err != nil {
		return nil, err
	}
	decoder, err := codecserver.New(codecserver.Options{Codec: p.Codec, Auth: who, Audit: p.Store, Practices: p.Directory.Practices(),
		Origins: p.Config.Codec.UIOrigins, Insecure: local, Log: p.Log})
	if err != nil {
		return nil, err
	}
	return api.New(api.Options{TLS: certs, Auth: who, Store: p.Store, Inbox: p.Store.Inbox(), Flows: p.Starter, Directory: p.Directory, Webhooks: hooks, Pay: page, Codec: decoder, Log: p.Log, Now: p.Now,
		Checks: checks(p, leaving)})
}

// checks are what a process depends on, and that it is not about to end.
func checks(p *worker.Process, leaving *parting) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{"process": leaving.ready, "database": p.Store.Ping, "temporal": func(ctx context.Context) error {
		_, err := p.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}}
}

// payPractices is what the pay page shows of a practice.
func payPractices(c *config.Config, d *integrations.Directory) func(copay.PracticeID) (paypage.Practice, error) {
	return func(id copay.PracticeID) (paypage.Practice, error) {
		p, err := c.Practice(string(id))
		if err != nil {
			return paypage.Practice{}, copay.Errorf(copay.CodeNotFound, "practice_id", "practice %q is not configured", id)
		}
		policy, err := p.Policy.Build()
		if err != nil {
			return paypage.Practice{}, err
		}
		out := paypage.Practice{Name: p.Name, Phone: p.Phone, Language: p.Language, NoFactor: p.PayPage.SecondFactor == config.FactorNone}
		if policy.CardOnFile && keepsCards(d, id) {
			out.Keep = &paypage.Keep{Cap: policy.CardCap, Term: policy.CardTerm}
		}
		return out, nil
	}
}

// keepsCards reports whether the processor that pages are asked from keeps cards.
func keepsCards(d *integrations.Directory, id copay.PracticeID) bool {
	all, err := integrations.Get[integrations.Collector](d, id, workflows.PortCollect)
	if err != nil {
		return false
	}
	_, ok := all[0].Port.(integrations.StoredCollector)
	return ok
}

// Authenticator recognises the configured callers. It goes by real time, not
// by the clock that development can move.
func Authenticator(c *config.Config) (*auth.Authenticator, error) {
	o := auth.Options{Env: c.Env, Now: time.Now}
	for _, i := range c.Auth.OIDC {
		o.Issuers = append(o.Issuers, auth.Issuer{URL: i.Issuer, Audience: i.Audience, RolesClaim: i.RolesClaim, PracticesClaim: i.PracticesClaim})
	}
	for _, k := range c.Auth.APIKeys {
		o.Keys = append(o.Keys, auth.Key{ID: k.ID, SHA256: k.SHA256, Roles: k.Roles, Practices: k.Practices})
	}
	if c.Auth.Dev.Enabled {
		s, err := integrations.ResolveSecret(c.Auth.Dev.Secret)
		if err != nil {
			return nil, err
		}
		o.DevSecret = s
	}
	return auth.New(o)
}

// metrics serves the Prometheus page, liveness and readiness on the inner
// address, which is the only one that a worker has.
func metrics(ctx context.Context, l net.Listener, p *worker.Process, leaving *parting) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.Telemetry.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", api.Ready(checks(p, leaving), p.Log))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = srv.Shutdown(stop)
	}()
	if err := srv.Serve(l); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Worker runs workflows and activities until ctx ends. l may be nil.
func Worker(ctx context.Context, p *worker.Process, l net.Listener) error {
	w := p.Worker()
	if err := w.Start(); err != nil {
		return err
	}
	// Co-pays do not wait for upkeep.
	if err := p.EnsureSchedules(ctx); err != nil && ctx.Err() == nil {
		p.Log.ErrorContext(ctx, "missed webhooks are not made up for and histories not archived until this is mended and a worker started again", "err", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	if l != nil {
		g.Go(func() error { return metrics(ctx, l, p, &parting{}) }) // nobody sends it requests
	}
	g.Go(func() (err error) {
		select {
		case <-ctx.Done():
		case err = <-w.Dead(): // a process that lives on without working would be noticed by nobody
		}
		w.Stop()
		return err
	})
	return g.Wait()
}
