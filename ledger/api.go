package ledger

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// api lists what *Store offers while it is being built.
type api interface {
	integrations.TokenStore // Load, Refresh
	SaveToken(ctx context.Context, practice copay.PracticeID, platform copay.Platform, t integrations.Token) error

	Close()
	Ping(ctx context.Context) error
	Inbox() *Inbox // Receive, Claim, Done, Ignored, Retry, Get, DeadLetters, Replay, Ignore, Lag
	Listen(ctx context.Context, channel string) (<-chan string, error)
	RewrapKeys(ctx context.Context) (int, error)
	RotateDataKey(ctx context.Context, practice copay.PracticeID) error

	Claim(ctx context.Context, key copay.Key, workflowID string) (row CoPayRow, created bool, err error)
	Record(ctx context.Context, r Record) error
	CoPay(ctx context.Context, practice copay.PracticeID, id copay.ID) (CoPayRow, error)
	ListCoPays(ctx context.Context, practice copay.PracticeID, f Filter, from PageToken, size int) ([]CoPayRow, PageToken, error)
	Timeline(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]TimelineRow, error)
	Watch(ctx context.Context, practice copay.PracticeID, id copay.ID) (<-chan CoPayRow, error)
	StateCounts(ctx context.Context) ([]StateCount, error)
	FindByObject(ctx context.Context, practice copay.PracticeID, platform copay.Platform, object string) (CoPayRow, error)
	FindByPosting(ctx context.Context, practice copay.PracticeID, ehr copay.Platform, posting string) (CoPayRow, error)
	FindByDocument(ctx context.Context, practice copay.PracticeID, document string) (CoPayRow, error)

	Entries(ctx context.Context, practice copay.PracticeID, f EntryFilter, from PageToken, size int) ([]EntryRow, PageToken, error)
	TrialBalance(ctx context.Context, practice copay.PracticeID) ([]Balance, error)
	CoPayBalance(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]Balance, error)

	AppendAudit(ctx context.Context, e AuditEntry) error
	Audit(ctx context.Context, practice copay.PracticeID, f AuditFilter, from PageToken, size int) ([]AuditRow, PageToken, error)
	VerifyAudit(ctx context.Context, practice copay.PracticeID) (AuditReport, error)

	PutPatient(ctx context.Context, practice copay.PracticeID, id copay.ID, p integrations.Patient) error
	Patient(ctx context.Context, practice copay.PracticeID, id copay.ID) (integrations.Patient, error)
	PutBenefits(ctx context.Context, practice copay.PracticeID, memberKey string, service copay.ServiceType, on copay.Date, b copay.Benefits, now time.Time) error
	FreshBenefits(ctx context.Context, practice copay.PracticeID, memberKey string, service copay.ServiceType, on copay.Date, maxAge time.Duration) (copay.Benefits, bool, error)

	RecordConsent(ctx context.Context, practice copay.PracticeID, c Consent) (effective bool, err error)
	Revoke(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string, scope OptOut, source string, at time.Time) ([]copay.ID, error)
	Restore(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, source string, at time.Time) error
	MarkBad(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, code string, at time.Time) ([]copay.ID, error)
	Reach(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]copay.Reach, error)
	CopaysByAddress(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string) ([]copay.ID, error)

	PutCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientRef, c CardOnFile) error
	CardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientRef) (CardOnFile, bool, error)
	RevokeCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientRef, at time.Time) (bool, error)

	NewPayLink(ctx context.Context, practice copay.PracticeID, id copay.ID, expires time.Time) (token string, err error)
	PayLink(ctx context.Context, token string) (PayLinkRow, error)
	OpenPayLink(ctx context.Context, token string) (PayLinkRow, error)
	TryPayLink(ctx context.Context, token string) (PayLinkRow, error)
	PassPayLink(ctx context.Context, token string) error
	RevokePayLinks(ctx context.Context, practice copay.PracticeID, id copay.ID) (int, error)

	RecordNotification(ctx context.Context, n Notification) error
	MessageStatus(ctx context.Context, practice copay.PracticeID, platform copay.Platform, providerID string, status integrations.DeliveryStatus, code string, at time.Time) (n Notification, changed bool, err error)
	Notifications(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]Notification, error)

	BeginAct(ctx context.Context, practice copay.PracticeID, id copay.ID, key string, input []byte) (result []byte, done bool, err error)
	FinishAct(ctx context.Context, practice copay.PracticeID, id copay.ID, key string, result []byte) error

	ArchiveHistory(ctx context.Context, practice copay.PracticeID, id copay.ID, runID string, closedAt time.Time, history, sha256 []byte) error
	Archived(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ArchiveRow, error)
	ArchivedHistory(ctx context.Context, practice copay.PracticeID, id copay.ID, runID string) (ArchiveRow, error)
}

var _ api = (*Store)(nil)
