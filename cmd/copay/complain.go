package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// complaint is an error as --json prints it, on the error output.
type complaint struct {
	Code      string  `json:"code"`             // of gRPC, or USAGE, or FAILURE
	Reason    string  `json:"reason,omitempty"` // why the API refuses, as a word
	Message   string  `json:"message"`
	Fields    []field `json:"fields,omitempty"`
	RequestID string  `json:"api_request_id,omitempty"` // what the API's log calls it
	Exit      int     `json:"exit"`
}

type field struct {
	Name    string `json:"field"`
	Message string `json:"message"`
}

// complain says what went wrong: in a sentence, or with --json for a machine.
func complain(w io.Writer, cmd *cobra.Command, args []string, err error) {
	machine, _ := cmd.PersistentFlags().GetBool("json") // fails for no flag of ours
	var cut unparsed
	if errors.As(err, &cut) { // reading stopped there, perhaps before --json
		machine = machine || asksForJSON(args)
	}
	if !machine {
		fmt.Fprintln(w, "copay:", sentence(err))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]complaint{"error": complaintOf(err)}) // nobody is left to tell
}

// unparsed is a mistake that ended the reading of the command line.
type unparsed struct{ error }

func (u unparsed) Unwrap() error { return u.error }

// asksForJSON finds --json among arguments that could not be read.
func asksForJSON(args []string) (yes bool) {
	for _, a := range args {
		if a == "--" {
			break
		}
		if name, value, given := strings.Cut(a, "="); name == "--json" {
			is, err := strconv.ParseBool(value)
			yes = !given || (is && err == nil)
		}
	}
	return yes
}

var flagName = regexp.MustCompile(`"([^"]+)"`)

// sentence is an error in our words, also where the library for command lines
// has found it.
func sentence(err error) string {
	text := err.Error()
	if !strings.HasPrefix(text, "required flag") {
		return text
	}
	var names []string
	for _, m := range flagName.FindAllStringSubmatch(text, -1) {
		names = append(names, "--"+m[1])
	}
	return "give " + strings.Join(names, " and ")
}

func complaintOf(err error) complaint {
	c := complaint{Code: "FAILURE", Message: sentence(err), Exit: exitCode(err)}
	if c.Exit == exitUsage {
		c.Code = "USAGE"
	}
	var coded interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &coded) {
		return c
	}
	st := coded.GRPCStatus()
	c.Code = code.Code(st.Code()).String() // as gRPC's documentation writes it: NOT_FOUND
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			c.Reason = d.GetReason()
		case *errdetails.RequestInfo:
			c.RequestID = d.GetRequestId()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				c.Fields = append(c.Fields, field{v.GetField(), v.GetDescription()})
			}
		}
	}
	return c
}

// misread is a flag that there is not, or whose value cannot be read, named and
// in our words; the library's are those of the functions it reads with.
func misread(cmd *cobra.Command, err error) error { return unparsed{corrected(cmd, err)} }

func corrected(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	var none *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	switch {
	case errors.As(err, &bad):
		form := map[string]string{"duration": "a time such as 2h or 30s", "int32": "a whole number", "bool": "true or false"}[bad.GetFlag().Value.Type()]
		if form == "" {
			return usagef("--%s: %q cannot be read", bad.GetFlag().Name, bad.GetValue())
		}
		return usagef("--%s takes %s, not %q", bad.GetFlag().Name, form, bad.GetValue())
	case errors.As(err, &none):
		name := "--" + none.GetSpecifiedName()
		if none.GetSpecifiedShortnames() != "" {
			name = "-" + none.GetSpecifiedName()
		}
		return usagef("there is no flag %s; '%s --help' says what there is", name, cmd.CommandPath())
	case errors.As(err, &empty):
		return usagef("--%s needs a value", empty.GetFlag().Name)
	}
	return usageError{err}
}
