package integrations

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

// texter can send texts and tell of webhooks, and nothing else.
type texter struct {
	Notifier
	WebhookSource
	who Settings
}

func (texter) Channel() copay.Channel { return copay.ChannelSMS }

func directory() *Directory {
	reg := Registry{
		"a":      func(s Settings) (any, error) { return &texter{who: s}, nil },
		"b":      func(s Settings) (any, error) { return &texter{who: s}, nil },
		"broken": func(Settings) (any, error) { return nil, errors.New("account is missing") },
	}
	return NewDirectory(reg, []PracticePlatforms{
		{ID: "maple", Platforms: map[copay.Platform]map[string]any{"a": {"k": "maple"}, "b": nil, "broken": nil, "typo": nil},
			Ports: map[string][]copay.Platform{"sms": {"broken", "b", "a"}, "collect": {"a"}, "post": {"broken"}}},
		{ID: "oak", Platforms: map[copay.Platform]map[string]any{"a": {"k": "oak"}}, Ports: map[string][]copay.Platform{"sms": {"a"}}},
	}, Settings{})
}

func TestGetKeepsTheOrderAndLeavesOutWhatIsBroken(t *testing.T) {
	t.Parallel()
	d := directory()
	got, err := Get[Notifier](d, "maple", "sms")
	require.NoError(t, err)
	require.Equal(t, []copay.Platform{"b", "a"}, []copay.Platform{got[0].Platform, got[1].Platform})

	_, err = Get[Notifier](d, "maple", "post")
	require.Equal(t, KindUnauthorized, KindOf(err), "broken is a state that staff mend")
	_, err = Get[Collector](d, "maple", "collect")
	require.Equal(t, copay.CodePrecondition, copay.CodeOf(err), "a platform that cannot do it")
	_, err = Get[Notifier](d, "maple", "email")
	require.ErrorContains(t, err, `no platform for "email"`)
	_, err = Get[Notifier](d, "elm", "sms")
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
}

func TestAsKeepsPracticesApart(t *testing.T) {
	t.Parallel()
	d := directory()
	for _, id := range []copay.PracticeID{"maple", "oak"} {
		c, err := As[*texter](d, id, "a")
		require.NoError(t, err)
		require.Equal(t, id, c.who.Practice)
		require.Equal(t, string(id), c.who.Options["k"])
	}
	_, err := As[*texter](d, "oak", "b")
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
	_, err = As[Notifier](d, "maple", "broken")
	require.Equal(t, KindUnauthorized, KindOf(err))
	require.NotContains(t, err.Error(), "account is missing", "the cause is kept, not printed")
}

func TestStatusesTellWhatEachCanDo(t *testing.T) {
	t.Parallel()
	all := directory().Statuses("maple")
	require.Len(t, all, 4)
	require.EqualError(t, all[0].Err, "ports.collect names a, which can only do: sms, webhooks")
	all[0].Err = nil
	require.Equal(t, Status{Practice: "maple", Platform: "a", Ports: []string{"collect", "sms"}, Can: []string{"sms", "webhooks"}}, all[0])
	require.NoError(t, all[1].Err)
	require.Error(t, all[2].Err)
	require.Empty(t, all[2].Can)
	require.ErrorContains(t, all[3].Err, `"typo" is not known`)
	require.Empty(t, directory().Statuses("elm"))
	require.Equal(t, []copay.PracticeID{"maple", "oak"}, directory().Practices())
}

func TestCapabilitiesOfNothing(t *testing.T) {
	t.Parallel()
	require.Empty(t, Capabilities(nil))
	require.Empty(t, Capabilities(struct{}{}))
}
