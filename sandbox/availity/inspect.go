package availitysim

import (
	"slices"
	"strings"
	"time"
)

// Coverage is one record as the sandbox has it.
type Coverage struct {
	ID         string
	PayerID    string
	MemberID   string
	Service    string
	AsOf       string
	Scenario   Scenario
	StatusCode string
	Reads      int
	At         time.Time
	// Fields are the names that the request held.
	Fields []string
}

// Coverages lists the records, oldest first.
func (s *Server) Coverages() []Coverage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Coverage
	for _, c := range s.coverages {
		x := Coverage{ID: c.id, PayerID: c.form.Get("payerId"), MemberID: c.form.Get("memberId"), Service: c.form.Get("serviceType"), AsOf: c.form.Get("asOfDate"),
			Scenario: c.scenario, StatusCode: c.status, Reads: c.reads, At: c.made}
		for k := range c.form {
			x.Fields = append(x.Fields, k)
		}
		slices.Sort(x.Fields)
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Coverage) int {
		if d := a.At.Compare(b.At); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Checks is how many records there are.
func (s *Server) Checks() int { return len(s.Coverages()) }

// Calls is how often a route was called: "POST /v1/coverages",
// "GET /v1/coverages/{id}", "POST /v1/token"…
func (s *Server) Calls(route string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[route]
}

// SetScenario chooses what requests for a member come to from now on; "" ends it.
func (s *Server) SetScenario(memberID string, sc Scenario) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sc == "" {
		delete(s.scenarios, memberID)
		return
	}
	s.scenarios[memberID] = sc
}

// SetPayerDown puts a payer into its maintenance window, or ends it.
func (s *Server) SetPayerDown(payerID string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[payerID] = down
}

// ExpireTokens ends all access tokens.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}
