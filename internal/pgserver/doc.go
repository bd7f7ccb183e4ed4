//go:build unix

// Package pgserver runs a private PostgreSQL from the machine's own binaries:
// for tests, and as the database of the development stack. Nothing is
// downloaded, nothing outside its directory is touched, and the server goes
// down with the process that started it, even when that one is killed.
package pgserver
