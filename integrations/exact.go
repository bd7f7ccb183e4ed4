package integrations

import (
	"math"
	"reflect"
	"time"
)

// Forms are what a setting of each type must be, in words.
var Forms = map[string]string{
	"int": "a whole number", "float64": "a number", "bool": "true or false", "string": "a text", "time.Duration": DurationForm,
}

// DurationForm is what a setting must be that is a time.
const DurationForm = "a time such as 24h, 30m or 90s"

// inexact is a value that the decoder would bend into another one.
type inexact struct{ form string }

func (i inexact) Error() string { return "must be " + i.form }

// Exact is a hook for mapstructure that refuses what the decoder would bend: a
// limit of 1.5 calls would be one, and a timeout of true a nanosecond. Texts
// stay: the environment has nothing else.
func Exact(from, to reflect.Type, value any) (any, error) {
	v := reflect.ValueOf(value)
	switch duration := to == reflect.TypeFor[time.Duration](); {
	case from == to:
	case duration && (v.Kind() == reflect.Bool || v.CanFloat() || v.CanUint() || (v.CanInt() && v.Int() > 0)): // 0 and -1 need no unit
		return nil, inexact{DurationForm}
	case to.Kind() == reflect.Bool && (v.CanInt() || v.CanUint() || v.CanFloat()), v.Kind() == reflect.Bool && Forms[to.Kind().String()] != "" && to.Kind() != reflect.Bool:
		return nil, inexact{Forms[to.Kind().String()]}
	case to.Kind() == reflect.Int && v.CanFloat() && v.Float() != math.Trunc(v.Float()):
		return nil, inexact{Forms["int"]}
	}
	return value, nil
}
