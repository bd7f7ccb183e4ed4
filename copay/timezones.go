package copay

import (
	"slices"
	"strings"
	_ "time/tzdata" // zones must not depend on what a container image ships

	"github.com/nyaruka/phonenumbers"
)

// usZones are the zones of the fifty states.
var usZones = []string{"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"}

// stateZones lists the zones of each state and territory by postal code. A
// state that spans zones has all of them: quiet hours hold in each.
var stateZones = map[string][]string{
	"AL": {"America/Chicago"}, "AK": {"America/Anchorage", "America/Adak"}, "AZ": {"America/Phoenix", "America/Denver"}, "AR": {"America/Chicago"},
	"CA": {"America/Los_Angeles"}, "CO": {"America/Denver"}, "CT": {"America/New_York"}, "DE": {"America/New_York"}, "DC": {"America/New_York"},
	"FL": {"America/New_York", "America/Chicago"}, "GA": {"America/New_York"}, "HI": {"Pacific/Honolulu"},
	"ID": {"America/Boise", "America/Los_Angeles"}, "IL": {"America/Chicago"}, "IN": {"America/Indiana/Indianapolis", "America/Chicago"},
	"IA": {"America/Chicago"}, "KS": {"America/Chicago", "America/Denver"}, "KY": {"America/New_York", "America/Chicago"}, "LA": {"America/Chicago"},
	"ME": {"America/New_York"}, "MD": {"America/New_York"}, "MA": {"America/New_York"}, "MI": {"America/Detroit", "America/Menominee"},
	"MN": {"America/Chicago"}, "MS": {"America/Chicago"}, "MO": {"America/Chicago"}, "MT": {"America/Denver"},
	"NE": {"America/Chicago", "America/Denver"}, "NV": {"America/Los_Angeles", "America/Denver"}, "NH": {"America/New_York"}, "NJ": {"America/New_York"},
	"NM": {"America/Denver"}, "NY": {"America/New_York"}, "NC": {"America/New_York"}, "ND": {"America/Chicago", "America/Denver"},
	"OH": {"America/New_York"}, "OK": {"America/Chicago"}, "OR": {"America/Los_Angeles", "America/Boise"}, "PA": {"America/New_York"},
	"RI": {"America/New_York"}, "SC": {"America/New_York"}, "SD": {"America/Chicago", "America/Denver"}, "TN": {"America/New_York", "America/Chicago"},
	"TX": {"America/Chicago", "America/Denver"}, "UT": {"America/Denver"}, "VT": {"America/New_York"}, "VA": {"America/New_York"},
	"WA": {"America/Los_Angeles"}, "WV": {"America/New_York"}, "WI": {"America/Chicago"}, "WY": {"America/Denver"},
	"PR": {"America/Puerto_Rico"}, "VI": {"America/St_Thomas"}, "GU": {"Pacific/Guam"}, "MP": {"Pacific/Saipan"}, "AS": {"Pacific/Pago_Pago"},
}

// ZonesFor is where a patient may be: by the state of the postal address,
// else by the phone number's area code, else anywhere in the United States.
// The area code alone is never trusted over the address, since numbers move.
// A number of no place (toll-free, personal) or of a foreign country says
// nothing of where its holder is.
func ZonesFor(state, phoneE164 string) []string {
	if z, ok := stateZones[strings.ToUpper(strings.TrimSpace(state))]; ok {
		return slices.Clone(z)
	}
	if n, err := phonenumbers.Parse(phoneE164, "US"); err == nil && n.GetCountryCode() == 1 {
		z, err := phonenumbers.GetTimezonesForNumber(n)
		if err == nil && len(z) > 0 && len(z) < len(usZones) && !slices.Contains(z, "Etc/Unknown") {
			return slices.Clone(z)
		}
	}
	return slices.Clone(usZones)
}
