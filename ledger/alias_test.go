package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

// The name in the books is the same for ever, another at each practice and for
// each EHR, and tells nobody the number that the patient has there.
func TestTheAliasInTheBooks(t *testing.T) {
	b := setup(t)
	who := copay.PatientKey{EHR: "drchrono", Ref: "84410273"}
	first, err := b.PatientAlias(t.Context(), maple, who)
	require.NoError(t, err)
	require.Regexp(t, `^P-[0-9A-HJKMNP-TV-Z]{12}$`, first)
	again, err := b.another(t).PatientAlias(t.Context(), maple, who)
	require.NoError(t, err)
	require.Equal(t, first, again)

	elsewhere, err := b.PatientAlias(t.Context(), birch, who)
	require.NoError(t, err)
	who.EHR = "otherehr"
	other, err := b.PatientAlias(t.Context(), maple, who)
	require.NoError(t, err)
	require.NotEqual(t, first, elsewhere)
	require.NotEqual(t, first, other)

	for _, nobody := range []copay.PatientKey{{}, {EHR: "drchrono"}, {Ref: "84410273"}} {
		_, err = b.PatientAlias(t.Context(), maple, nobody)
		require.Equal(t, copay.CodeInvalid, copay.CodeOf(err))
	}
}
