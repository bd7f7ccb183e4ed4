// Package copay is the domain: what a co-pay is, which states it may pass
// through, how its amount is estimated and when its patient may be reminded.
//
// Everything here is pure. The package imports nothing else of this project,
// performs no I/O, reads no clock and never panics on bad input, so the
// workflow, the API and the read model can all rely on the same rules.
package copay
