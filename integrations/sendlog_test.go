package integrations_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

func TestSendLogCountsByOutcome(t *testing.T) {
	t.Parallel()
	var l integrations.SendLog
	require.Zero(t, l.Past("a"))
	l.Note("a", integrations.Sent{}, &integrations.Error{Kind: integrations.KindRateLimited})
	l.Note("a", integrations.Sent{}, &integrations.Error{Kind: integrations.KindUnknown})
	l.Note("a", integrations.Sent{}, fmt.Errorf("not classified"))
	require.Equal(t, integrations.SendPast{Refused: 1, Unknown: 2}, l.Past("a"))
	l.Note("a", integrations.Sent{ID: "SM1"}, nil)
	require.Equal(t, "SM1", l.Past("a").Sent.ID)
}

func TestSendLogForgetsTheOldest(t *testing.T) {
	t.Parallel()
	var l integrations.SendLog
	for i := range 5000 {
		l.Note(copay.Ref(fmt.Sprint(i)), integrations.Sent{ID: "x"}, nil)
	}
	require.Nil(t, l.Past("0").Sent)
	require.NotNil(t, l.Past("4999").Sent)
	require.NotNil(t, l.Past("1000").Sent)
}
