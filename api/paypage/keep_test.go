package paypage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/workflows"
)

func keeps(w *world, o *Options) {
	practices := o.Practices
	o.Practices = func(id copay.PracticeID) (Practice, error) {
		p, err := practices(id)
		p.Keep = &Keep{Cap: copay.Cents(100_00), Term: 365 * 24 * time.Hour}
		return p, err
	}
}

func ticked(more ...string) url.Values {
	form := born("5", "9", "1971")
	form.Set("keep", "yes")
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestTheOfferNamesCapAndEnd(t *testing.T) {
	t.Parallel()
	_, h := setup(t, keeps)
	body := get(h, "/pay/"+token).Body.String()
	for _, want := range []string{`type="checkbox"`, `for="keep"`, "Until Nov 24, 2027 Maple Family Clinic may charge it", "at most $100.00 each time", "told before each charge"} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, " checked", "a patient agrees by an act of their own")
	require.Contains(t, post(h, url.Values{"keep": {"yes"}, "month": {"13"}}).Body.String(), " checked", "a mistyped date does not lose the tick")
}

func TestWhatThePatientAgreedTo(t *testing.T) {
	t.Parallel()
	w, h := setup(t, keeps)
	require.Equal(t, http.StatusSeeOther, post(h, ticked("until", "2027-11-24")).Code)
	want := &copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(100_00), Until: time.Date(2027, 11, 24, 0, 0, 0, 0, time.UTC), TextVersion: "page-en-1"}
	require.Equal(t, want, w.wish.Keep)
	for until, day := range map[string]int{"2027-11-23": 23, "2030-01-01": 24, "": 24, "soon": 24} {
		require.Equal(t, http.StatusSeeOther, post(h, ticked("until", until)).Code)
		require.Equal(t, day, w.wish.Keep.Until.Day(), "never longer than was shown: %q", until)
	}
	require.Equal(t, http.StatusSeeOther, post(h, born("5", "9", "1971")).Code)
	require.Equal(t, workflows.OpenPage{}, w.wish, "not ticked")
}

func TestNoOfferWhereNoCardIsCharged(t *testing.T) {
	t.Parallel()
	w, h := setup(t, nil)
	require.NotContains(t, get(h, "/pay/"+token).Body.String(), "checkbox")
	require.Equal(t, http.StatusSeeOther, post(h, ticked()).Code)
	require.Nil(t, w.wish.Keep)
}

func TestThePatientSaysNoToTheirCard(t *testing.T) {
	t.Parallel()
	w, h := setup(t, func(w *world, o *Options) { keeps(w, o); w.copay.Rail, w.copay.Patient = copay.RailCard, "p1" })
	body := post(h, born("5", "9", "1971")).Body.String()
	require.Contains(t, body, "Do not charge my card")
	form := born("5", "9", "1971")
	form.Set("forget", "yes")
	require.Equal(t, http.StatusSeeOther, post(h, form).Code, "and pays in another way")
	require.Equal(t, []copay.PatientKey{{EHR: "drchrono", Ref: "p1"}}, w.revoked)
	require.Len(t, w.audited, 1)
	require.Equal(t, copay.Patient(), w.audited[0].Actor)

	form.Set("year", "1999")
	require.Equal(t, http.StatusUnprocessableEntity, post(h, form).Code)
	require.Len(t, w.revoked, 1, "only who passes the factor decides")
	w.fail = errors.New("down")
	form.Set("year", "1971")
	require.Equal(t, http.StatusServiceUnavailable, post(h, form).Code)
	require.Len(t, w.audited, 1)
}

// TestTheWordingHasItsVersion holds wording and version together: whoever
// changes what patients agree to gives it a new version, here too.
func TestTheWordingHasItsVersion(t *testing.T) {
	t.Parallel()
	versions := map[string]string{"page-en-1": "2d3066a6af37f89a", "page-es-1": "20ec82536853e7e4"}
	for _, w := range languages {
		sum := sha256.Sum256([]byte(w.Keep))
		require.Equal(t, versions[w.KeepVersion], hex.EncodeToString(sum[:8]), w.KeepVersion)
	}
}
