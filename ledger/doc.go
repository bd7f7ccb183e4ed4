// Package ledger is the memory of the product, in PostgreSQL: the row that
// guards each co-pay's identity for ever and serves as its read model, the
// double-entry journal, the inbox of platform events, the audit chain, and
// the encrypted store of whatever identifies a patient.
//
// Three rules hold everywhere. Every query names the practice, except the few
// of machines that serve all of them (the inbox's workers, metrics, a payment
// link's token). Business time comes from the store's clock, never from the
// database's. Whatever is health information is sealed with a key of its
// practice before it leaves the process and never stands in an error, an id or
// an index: look-ups go by a keyed hash.
package ledger
