package ledger

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Page sizes.
const (
	defaultPage = 50
	maxPage     = 500
)

func pageSize(n int) int {
	if n <= 0 {
		return defaultPage
	}
	return min(n, maxPage)
}

var errPage = copay.Errorf(copay.CodeInvalid, "page_token", "the page token is not one of ours: start the list again")

func encodePage(s string) PageToken {
	return PageToken(base64.RawURLEncoding.EncodeToString([]byte(s)))
}

// pageAfter continues after a row by its moment and id.
func pageAfter(at time.Time, id string) PageToken {
	return encodePage(strconv.FormatInt(at.UnixMicro(), 10) + "/" + id)
}

func (t PageToken) moment() (time.Time, string, error) {
	if t == "" {
		return time.Time{}, "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(string(t))
	if err != nil {
		return time.Time{}, "", errPage
	}
	micro, id, ok := strings.Cut(string(b), "/")
	n, err := strconv.ParseInt(micro, 10, 64)
	if !ok || err != nil || clean(id) != id {
		return time.Time{}, "", errPage
	}
	return time.UnixMicro(n).UTC(), id, nil
}

// pageFrom continues after a row by its number.
func pageFrom(n int64) PageToken { return encodePage(strconv.FormatInt(n, 10)) }

func (t PageToken) number() (int64, error) {
	if t == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(string(t))
	if err != nil {
		return 0, errPage
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n <= 0 {
		return 0, errPage
	}
	return n, nil
}
