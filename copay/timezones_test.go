package copay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func TestZonesFor(t *testing.T) {
	t.Parallel()
	us := copay.ZonesFor("", "")
	require.Contains(t, us, "America/New_York")
	require.Contains(t, us, "Pacific/Honolulu")
	for name, x := range map[string]struct {
		state, phone string
		want         []string
	}{
		"the address comes before the area code": {"CA", "+12125550123", []string{"America/Los_Angeles"}},
		"lower case":                             {" ny ", "", []string{"America/New_York"}},
		"Arizona, with the Navajo Nation":        {"AZ", "+14805550123", []string{"America/Phoenix", "America/Denver"}},
		"Hawaii":                                 {"HI", "", []string{"Pacific/Honolulu"}},
		"two zones":                              {"TN", "", []string{"America/New_York", "America/Chicago"}},
		"Puerto Rico":                            {"PR", "", []string{"America/Puerto_Rico"}},
		"no state, area code":                    {"", "+16025550123", []string{"America/Phoenix"}},
		"unknown state, area code":               {"ZZ", "+18085550123", []string{"Pacific/Honolulu"}},
		"national form":                          {"", "(312) 555-0123", []string{"America/Chicago"}},
		"Guam by area code":                      {"", "+16716440123", []string{"Pacific/Guam"}},
		"toll-free says nothing":                 {"", "+18005550123", us},
		"foreign number":                         {"", "+4930123456", us},
		"nonsense":                               {"XX", "call me", us},
	} {
		require.Equal(t, x.want, copay.ZonesFor(x.state, x.phone), name)
	}
}

func TestEveryStateHasLoadableZones(t *testing.T) {
	t.Parallel()
	us := copay.ZonesFor("", "")
	for _, s := range []string{"AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS",
		"MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "PR", "VI", "GU", "MP", "AS"} {
		zones := copay.ZonesFor(s, "")
		require.NotEqual(t, us, zones, s)
		for _, z := range zones {
			_, err := time.LoadLocation(z)
			require.NoError(t, err, s)
		}
		zones[0] = "changed"
		require.NotEqual(t, zones, copay.ZonesFor(s, ""), "the table is not given away")
	}
}
