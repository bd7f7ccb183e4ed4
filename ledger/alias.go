package ledger

import (
	"context"

	"github.com/copayflow/copayflow/copay"
)

// PatientAlias is the name under which a patient stands in a practice's books and
// at its processors. It is the same for ever and made with the practice's key:
// these platforms have no business associate agreement, and the EHR's number
// would tell everybody who may look into the EHR, or has a list, who it is.
func (s *Store) PatientAlias(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey) (copay.PatientAlias, error) {
	if patient.EHR == "" || patient.Ref == "" {
		return "", copay.Errorf(copay.CodeInvalid, "patient", "name the EHR and its patient")
	}
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return "", err
	}
	return ring.patientAlias(patient), nil
}
