// Package integrations is what Copayflow expects of the platforms around it:
// one small interface a port, the typed requests and answers that cross it,
// and the few kinds of error that the activities switch on.
//
// A platform's package implements the ports that it can and nothing else
// declares what it can do: the Directory finds out by type assertion. Wire
// shapes never leave a platform's package; money crosses as integer minor
// units, times as UTC.
//
// Every verb that moves money or posts takes our reference (copay.Ref). Where
// the platform has an idempotency key the reference becomes it; where it has
// none, the connector looks for the reference before it writes.
package integrations
