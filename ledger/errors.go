package ledger

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/copayflow/copayflow/copay"
)

// failure is a database error with the domain's reading of it. Its text is
// safe; the cause is kept for errors.As and is never printed, since the
// database may quote values.
type failure struct {
	told  *copay.Error
	cause error
}

func (f *failure) Error() string   { return f.told.Message }
func (f *failure) Unwrap() []error { return []error{f.told, f.cause} }

// Errors raised by our own triggers.
const (
	stateUnbalanced = "CP001"
	stateAppendOnly = "CP002"
)

// translate reads an error of the database. An error of the domain and the
// caller's own cancellation pass as they are.
func translate(op string, err error) error {
	var own *copay.Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return copay.Errorf(copay.CodeNotFound, "", "%s: there is no such thing", op)
	}
	code, why := copay.CodeUnavailable, "the database cannot be reached or cannot work now; try again"
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		code, why = meaning(pg)
	}
	return &failure{told: copay.Errorf(code, "", "%s: %s", op, why), cause: err}
}

func meaning(pg *pgconn.PgError) (copay.Code, string) {
	switch {
	case pg.Code == "23505":
		return copay.CodeConflict, "it exists already (" + pg.ConstraintName + ")"
	case pg.Code == "23503":
		return copay.CodeNotFound, "what it belongs to does not exist (" + pg.ConstraintName + ")"
	case pg.Code == stateUnbalanced:
		return copay.CodeInvalid, "debits and credits differ"
	case pg.Code == stateAppendOnly, pg.Code == "42501":
		return copay.CodePermission, "what was written there is never changed"
	case strings.HasPrefix(pg.Code, "28"):
		return copay.CodeUnavailable, "the database does not let us in: user, password or its access rules are wrong (SQLSTATE " + pg.Code + ")"
	case pg.Code == "3D000":
		return copay.CodeUnavailable, "there is no such database; make it, or mend the connection string"
	case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "23"):
		return copay.CodeInvalid, "the database refuses the values (SQLSTATE " + pg.Code + ")"
	}
	return copay.CodeUnavailable, "the database failed (SQLSTATE " + pg.Code + "); try again"
}

// notFound makes the answer of a look-up that found nothing.
func notFound(what string) error {
	return copay.Errorf(copay.CodeNotFound, "", "there is no such %s in this practice", what)
}

// found translates a look-up's error; no row becomes "no such what".
func found(what string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound(what)
	}
	return translate("read the "+what, err)
}
