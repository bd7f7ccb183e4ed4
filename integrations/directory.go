package integrations

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/copayflow/copayflow/copay"
)

// Factory makes a platform's connector from a practice's settings.
type Factory func(Settings) (any, error)

// Registry is the explicit list of platforms there are.
type Registry map[copay.Platform]Factory

// PracticePlatforms is which platforms a practice uses and for what.
type PracticePlatforms struct {
	ID copay.PracticeID
	// Platforms are the settings' options by platform.
	Platforms map[copay.Platform]map[string]any
	// Ports name the platforms that serve a port, best first.
	Ports map[string][]copay.Platform
}

// Directory holds the connectors of all practices. A platform that cannot be
// set up is a state with its error, not a crash: the others work on.
type Directory struct {
	ports      map[copay.PracticeID]map[string][]copay.Platform
	connectors map[copay.PracticeID]map[copay.Platform]made
}

type made struct {
	connector any
	err       error
}

// NewDirectory makes every connector that the practices name. base gives what
// all of them share (tokens, clock, HTTP transport).
func NewDirectory(reg Registry, practices []PracticePlatforms, base Settings) *Directory {
	d := &Directory{ports: map[copay.PracticeID]map[string][]copay.Platform{}, connectors: map[copay.PracticeID]map[copay.Platform]made{}}
	for _, p := range practices {
		d.ports[p.ID] = p.Ports
		d.connectors[p.ID] = map[copay.Platform]made{}
		for platform, options := range p.Platforms {
			s := base
			s.Practice, s.Platform, s.Options = p.ID, platform, options
			d.connectors[p.ID][platform] = make1(reg, s)
		}
	}
	return d
}

func make1(reg Registry, s Settings) made {
	f, ok := reg[s.Platform]
	if !ok {
		return made{err: fmt.Errorf("platform %q is not known; the known ones are %v", s.Platform, slices.Sorted(maps.Keys(reg)))}
	}
	c, err := f(s)
	return made{c, err}
}

// Named is a connector with its platform's name.
type Named[T any] struct {
	Platform copay.Platform
	Port     T
}

// Get returns the connectors that serve a practice's port as T, best first.
// It fails, naming what to mend, when there is none.
func Get[T any](d *Directory, practice copay.PracticeID, port string) ([]Named[T], error) {
	platforms, ok := d.ports[practice]
	if !ok {
		return nil, copay.Errorf(copay.CodeNotFound, "practice_id", "practice %q is not configured", practice)
	}
	var out []Named[T]
	var broken error
	for _, p := range platforms[port] {
		c, err := As[T](d, practice, p)
		if err != nil {
			broken = err
			continue
		}
		out = append(out, Named[T]{p, c})
	}
	if len(out) > 0 {
		return out, nil
	}
	if broken != nil {
		return nil, broken
	}
	return nil, &Error{Kind: KindUnauthorized, Op: port, Message: fmt.Sprintf("practice %s has no platform for %q; add one to its configuration", practice, port)}
}

// As returns one platform's connector as T.
func As[T any](d *Directory, practice copay.PracticeID, platform copay.Platform) (T, error) {
	var none T
	byPlatform, ok := d.connectors[practice]
	if !ok {
		return none, copay.Errorf(copay.CodeNotFound, "practice_id", "practice %q is not configured", practice)
	}
	m, ok := byPlatform[platform]
	switch {
	case !ok:
		return none, copay.Errorf(copay.CodeNotFound, "platform", "practice %s does not use platform %q", practice, platform)
	case m.err != nil:
		return none, &Error{Kind: KindUnauthorized, Platform: platform, Op: "set up", Message: "the platform is not set up: mend its configuration", Err: m.err}
	}
	c, ok := m.connector.(T)
	if !ok {
		return none, copay.Errorf(copay.CodePrecondition, "platform", "platform %q cannot do this", platform)
	}
	return c, nil
}

// Status is one platform of one practice as it was set up.
type Status struct {
	Practice copay.PracticeID
	Platform copay.Platform
	// Ports are those the practice uses it for; Can is what its connector
	// implements, found by type assertion.
	Ports []string
	Can   []string
	Err   error
}

// Statuses lists all platforms of a practice, sorted by name.
func (d *Directory) Statuses(practice copay.PracticeID) []Status {
	var out []Status
	for _, p := range slices.Sorted(maps.Keys(d.connectors[practice])) {
		m := d.connectors[practice][p]
		s := Status{Practice: practice, Platform: p, Err: m.err, Can: Capabilities(m.connector)}
		for _, port := range slices.Sorted(maps.Keys(d.ports[practice])) {
			if slices.Contains(d.ports[practice][port], p) {
				s.Ports = append(s.Ports, port)
			}
		}
		if s.Err == nil {
			s.Err = s.misfit()
		}
		out = append(out, s)
	}
	return out
}

// misfit reports the first port that the platform is named for and cannot
// serve. A port is served by the capability of its name.
func (s Status) misfit() error {
	for _, port := range s.Ports {
		serves := func(can string) bool { return can == port || strings.HasPrefix(can, port+" ") }
		if !slices.ContainsFunc(s.Can, serves) {
			return fmt.Errorf("ports.%s names %s, which can only do: %s", port, s.Platform, strings.Join(s.Can, ", "))
		}
	}
	return nil
}

// Practices lists the configured practices.
func (d *Directory) Practices() []copay.PracticeID { return slices.Sorted(maps.Keys(d.ports)) }

// Capabilities names the ports a connector implements.
func Capabilities(c any) []string {
	var out []string
	add := func(name string, ok bool) {
		if ok {
			out = append(out, name)
		}
	}
	_, ok := c.(ChargeSource)
	add("charges", ok)
	_, ok = c.(CoverageSource)
	add("coverage", ok)
	_, ok = c.(EligibilityChecker)
	add("eligibility check", ok)
	_, ok = c.(EligibilityReader)
	add("eligibility read", ok)
	_, ok = c.(Collector)
	add("collect", ok)
	_, ok = c.(StoredCollector)
	add("stored cards", ok)
	_, ok = c.(PaymentPoster)
	add("post", ok)
	_, ok = c.(Accounting)
	add("accounting", ok)
	if n, is := c.(Notifier); is {
		add(string(n.Channel()), true)
	}
	_, ok = c.(WebhookSource)
	add("webhooks", ok)
	_, ok = c.(EventPoller)
	add("event polling", ok)
	return out
}
