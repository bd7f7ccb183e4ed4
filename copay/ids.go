package copay

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// Typed identifiers. All of them are opaque: none is made of PHI.
type (
	// PracticeID names a practice (tenant): lower-case letters, digits, '-'.
	PracticeID string
	// Platform is a platform's stable name, such as "stripe".
	Platform string
	// ChargeID is the EHR's id of the charge.
	ChargeID string
	// AppointmentID is the EHR's id of the visit the charge belongs to.
	AppointmentID string
	// PatientRef is the EHR's opaque id of the patient.
	PatientRef string
	// ID identifies one co-pay for ever: "cp_" and 16 characters derived from
	// practice, EHR and charge, so that every process derives the same one.
	ID string
	// Ref is our reference for one external effect; platforms keep it as
	// idempotency key, metadata or trace number. It is stable over retries,
	// resets and continue-as-new.
	Ref string
	// PaymentID identifies a payment within its co-pay: "pay-1", "pay-2"…
	PaymentID string
	// RefundID identifies a refund within its co-pay: "ref-1"…
	RefundID string
	// PatientAlias names a patient at platforms that have no agreement about
	// PHI: nobody there can tell the patient from it. Letters, digits and dashes.
	PatientAlias string
)

// PatientKey names a patient of a practice. Two EHRs of one practice may use
// the same reference for different people.
type PatientKey struct {
	EHR Platform
	Ref PatientRef
}

var practiceIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Validate reports whether p is a well-formed practice id.
func (p PracticeID) Validate() error {
	if !practiceIDPattern.MatchString(string(p)) {
		return Errorf(CodeInvalid, "practice_id", "a practice id is 1 to 40 lower-case letters, digits or dashes")
	}
	return nil
}

// Key is what identifies a co-pay outside: one charge of one EHR in one practice.
type Key struct {
	Practice PracticeID `json:"practice"`
	EHR      Platform   `json:"ehr"`
	Charge   ChargeID   `json:"charge"`
}

// Validate reports the first field that is missing or absurd.
func (k Key) Validate() error {
	if err := k.Practice.Validate(); err != nil {
		return err
	}
	if k.EHR == "" || len(k.EHR) > 32 {
		return Errorf(CodeInvalid, "ehr", "name the EHR that holds the charge")
	}
	if k.Charge == "" || len(k.Charge) > 256 {
		return Errorf(CodeInvalid, "charge_id", "a charge id has 1 to 256 characters")
	}
	for _, r := range k.Charge {
		if r < 0x21 || r == 0x7f {
			return Errorf(CodeInvalid, "charge_id", "a charge id has no spaces or control characters")
		}
	}
	return nil
}

// maxWorkflowID keeps ids clear of the server's column width.
const maxWorkflowID = 200

// WorkflowID is the single identity of the co-pay's workflow. A charge id too
// long for it is replaced by its SHA-256.
func (k Key) WorkflowID() string {
	id := fmt.Sprintf("copay/%s/%s/%s", k.Practice, k.EHR, k.Charge)
	if len(id) <= maxWorkflowID {
		return id
	}
	sum := sha256.Sum256([]byte(k.Charge))
	return fmt.Sprintf("copay/%s/%s/sha256-%s", k.Practice, k.EHR, hex.EncodeToString(sum[:]))
}

// crockford has no letters that people mistake for digits.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ID derives the co-pay's id.
func (k Key) ID() ID {
	sum := sha256.Sum256([]byte("copay\x00" + string(k.Practice) + "\x00" + string(k.EHR) + "\x00" + string(k.Charge)))
	return ID("cp_" + crockford.EncodeToString(sum[:10]))
}

var idPattern = regexp.MustCompile(`^cp_[0-9a-hjkmnp-tv-z]{16}$`)

// Validate reports whether id is well formed.
func (id ID) Validate() error {
	if !idPattern.MatchString(string(id)) {
		return Errorf(CodeInvalid, "copay_id", "a co-pay id looks like cp_ followed by 16 letters and digits")
	}
	return nil
}

// Effect names what a Ref is for.
type Effect string

// The effects that carry a reference.
const (
	EffectRequest Effect = "req"  // a payment request or off-session charge
	EffectRefund  Effect = "rfd"  // money back to the patient
	EffectPost    Effect = "post" // posting to the EHR
	EffectReverse Effect = "rev"  // reversal of a posting
	EffectInvoice Effect = "inv"  // invoice in the books
	EffectBook    Effect = "book" // payment in the books
	EffectUnbook  Effect = "unbk" // refund or void in the books
	EffectNotify  Effect = "msg"  // a message to the patient
)

// NewRef makes the reference of the n-th effect of a kind: "cp_…-req-1".
func NewRef(id ID, e Effect, n int) Ref { return Ref(fmt.Sprintf("%s-%s-%d", id, e, n)) }

// CoPay returns the co-pay the reference belongs to, or "" when the text is
// not one of ours.
func (r Ref) CoPay() ID {
	id, _, _ := strings.Cut(string(r), "-")
	if ID(id).Validate() != nil {
		return ""
	}
	return ID(id)
}

// Max returns the reference, or, where a platform keeps fewer than its
// length, a shorter text that is derived from it and just as unique.
func (r Ref) Max(n int) string {
	if len(r) <= n {
		return string(r)
	}
	sum := sha256.Sum256([]byte(r))
	h := crockford.EncodeToString(sum[:])
	if n < 3 {
		return h[:max(n, 0)]
	}
	return "cp" + h[:min(n-2, len(h))]
}
