package copayv1

import _ "embed"

// OpenAPI is the description of the REST interface, made from the protos.
//
//go:embed copay.swagger.json
var OpenAPI []byte
