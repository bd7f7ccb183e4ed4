// Package dispatch is the way to a co-pay's workflow. The Starter knows how
// one is started, signalled or asked; the Dispatcher takes what platforms
// reported out of the inbox and brings each event to the co-pay it is about.
//
// Delivery is at least once and in any order. The id inside each signal lets
// the workflow drop what it has seen, so every event takes effect once.
package dispatch
