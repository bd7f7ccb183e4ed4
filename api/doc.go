// Package api is the way in for people and machines: gRPC, the same as REST,
// and beside them the plain HTTP endpoints of the packages below (webhooks,
// the patient's pay page, the codec server). A handler decodes, asks the
// ledger or the workflow, and encodes; who may do what is decided before it by
// one chain of interceptors from options in the protos.
package api
