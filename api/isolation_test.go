package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// everyRole is what the most powerful person of a practice has.
var everyRole = []string{"front_desk", "biller", "auditor", "admin", "service"}

// What belongs to oak and must not be seen by anybody else: these texts stand
// in everything that is stored of it.
var oakKey = copay.Key{Practice: "oak", EHR: "drchrono", Charge: "oakmark-charge"}

const (
	oakPatient  = "oakmark-patient"
	oakPhone    = "+13125550777"
	oakPlatform = "oakmark-pay"
	oakRun      = "0acac0ac-0000-4000-8000-0000000000ac"
	oakCents    = 77_777
)

func oaks(text string) bool {
	return strings.Contains(text, "oakmark") || strings.Contains(text, string(oakKey.ID())) || strings.Contains(text, fmt.Sprint(oakCents)) || strings.Contains(text, oakPhone) || strings.Contains(text, oakRun)
}

// neighbours is a server on PostgreSQL with two practices, of which oak has
// one of everything.
type neighbours struct {
	bench
	store *ledger.Store
	db    *pgxpool.Pool
	inbox int64 // oak's dead letter
}

func setupNeighbours(t *testing.T) *neighbours {
	t.Helper()
	n := &neighbours{db: pgtest.Pool(t)}
	var err error
	n.store, err = ledger.Open(t.Context(), ledger.Config{Pool: n.db, Keys: pgtest.Keys(t), InboxTries: 1})
	require.NoError(t, err)
	t.Cleanup(n.store.Close)
	pay := &cards{methods: []integrations.StoredMethod{{ID: "pm_1", Brand: "oakmark-card", Last4: "4242"}}}
	reg := integrations.Registry{oakPlatform: func(integrations.Settings) (any, error) { return marked{pay}, nil },
		"stripe": func(integrations.Settings) (any, error) { return &cards{}, nil }}
	d := integrations.NewDirectory(reg, []integrations.PracticePlatforms{
		{ID: "maple", Platforms: map[copay.Platform]map[string]any{"stripe": nil}, Ports: map[string][]copay.Platform{"collect": {"stripe"}}},
		{ID: "oak", Platforms: map[copay.Platform]map[string]any{oakPlatform: nil}, Ports: map[string][]copay.Platform{"collect": {oakPlatform}}}}, integrations.Settings{})
	n.bench = setup(t, func(o *Options) { o.Store, o.Inbox, o.Directory, o.Now = n.store, n.store.Inbox(), d, time.Now })
	n.update = func(_ context.Context, _ string, out, _ any) error {
		k := n.calls[len(n.calls)-1].key
		*out.(*copay.CoPay) = copay.CoPay{ID: k.ID(), Key: k, State: copay.StateAwaitingPayment}
		return nil
	}
	n.fill(t)
	return n
}

// marked says whose account it is.
type marked struct{ *cards }

func (marked) TestConnection(context.Context) (string, error) { return "account oakmark", nil }

// fill gives oak one of everything.
func (n *neighbours) fill(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	_, _, err := n.store.Claim(ctx, oakKey, oakKey.WorkflowID())
	require.NoError(t, err)
	asked, err := ledger.NewEntry(ledger.RuleReceivable, "ask", time.Now(), copay.Cents(oakCents), "")
	require.NoError(t, err)
	c := copay.CoPay{ID: oakKey.ID(), Key: oakKey, State: copay.StateAwaitingPayment, Patient: oakPatient, Appointment: "oakmark-visit", StartedAt: time.Now(), UpdatedAt: time.Now(),
		Estimate: &copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(oakCents), Confidence: 95}, Amounts: copay.Amounts{Adjudicated: copay.Cents(oakCents)}}
	require.NoError(t, n.store.Record(ctx, ledger.Record{Version: 1, CoPay: c, Entries: []ledger.Entry{asked},
		Events: []ledger.TimelineEvent{{Kind: "note", Actor: copay.System(), Summary: "oakmark", Sensitive: "oakmark"}}}))
	require.NoError(t, n.store.PutPatient(ctx, "oak", oakKey.ID(), integrations.Patient{Ref: oakPatient, FirstName: "oakmark", Phone: oakPhone,
		Insurance: []integrations.Insurance{{PayerID: "oakmark-payer", PayerName: "oakmark"}}}))
	_, err = n.store.RecordConsent(ctx, "oak", ledger.Consent{Channel: copay.ChannelSMS, Address: oakPhone, Source: "desk", At: time.Now()})
	require.NoError(t, err)
	require.NoError(t, n.store.PutCardConsent(ctx, "oak", copay.PatientKey{EHR: oakKey.EHR, Ref: oakPatient}, ledger.CardOnFile{Platform: oakPlatform, Customer: "oakmark", Method: "pm_1", Brand: "visa", Last4: "4242", ExpMonth: 12, ExpYear: 2040,
		Consent: copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(5000), Until: time.Now().Add(time.Hour), TextVersion: "v1", GivenAt: time.Now()}}))
	require.NoError(t, n.store.AppendAudit(ctx, ledger.AuditEntry{Practice: "oak", CoPay: oakKey.ID(), Actor: copay.Actor{ID: "oakmark", Kind: "staff"}, Action: "oakmark", Reason: "oakmark"}))
	history := []byte("oakmark")
	sum := sha256.Sum256(history)
	require.NoError(t, n.store.ArchiveHistory(ctx, "oak", oakKey.ID(), oakRun, time.Now(), history, sum[:]))
	_, err = n.store.Inbox().Receive(ctx, "oak", "stripe", []ledger.InboxEvent{{ID: "oakmark-event", Kind: integrations.EventPayment, Type: "oakmark", Payload: []byte("oakmark")}})
	require.NoError(t, err)
	rows, err := n.store.Inbox().Claim(ctx, 1, time.Minute, "w")
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.NoError(t, n.store.Inbox().Bury(ctx, rows[0], "oakmark"))
	n.inbox = rows[0].Row
}

// rows is a fingerprint of each table's rows of oak.
func (n *neighbours) rows(t *testing.T) map[string]string {
	t.Helper()
	tables, err := n.db.Query(t.Context(), `SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND c.column_name = 'practice' AND t.table_type = 'BASE TABLE'`)
	require.NoError(t, err)
	names := []string{}
	for tables.Next() {
		var name string
		require.NoError(t, tables.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, tables.Err())
	require.Greater(t, len(names), 8)
	out := map[string]string{}
	for _, name := range names {
		var sum string
		require.NoError(t, n.db.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*) || ' ' || md5(coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '')) FROM %s x WHERE practice = 'oak'`, name)).Scan(&sum))
		out[name] = sum
	}
	return out
}

// filled is a request that names oak's things, in a practice's name. Each kind
// of field must be known here, so that no new one goes untested.
func (n *neighbours) filled(t *testing.T, m protoreflect.MethodDescriptor, practice string) *dynamicpb.Message {
	t.Helper()
	values := map[protoreflect.Name]any{
		"practice_id": practice, "copay_id": string(oakKey.ID()), "ehr": string(oakKey.EHR), "charge_id": string(oakKey.Charge), "patient_ref": oakPatient,
		"appointment_id": "oakmark-visit", "inbox_id": n.inbox, "run_id": oakRun, "address": oakPhone, "platform": oakPlatform, "refund_id": "ref-1", "payment_id": "pay-1",
		"request_id": practice + "-" + string(m.Name()), "reason": "because", "text": "a note", "text_version": "v1", "source": "desk", "number": "12",
		"received": "2026-11-24", "actor_id": "oakmark", "action": "oakmark", "account": "patient_receivable", "approve": true, "everywhere": true, "new_link": true, "wait_ms": int32(50),
		// Left open, they narrow nothing.
		"service_from": nil, "service_to": nil, "needs_review": nil, "review": nil, "updated_since": nil, "page_size": nil, "page_token": nil, "from": nil, "to": nil,
		"states": nil, "method_id": nil,
	}
	switch m.Name() {
	case "ListCoPays":
		values["rail"] = nil
	case "RecordCardConsent": // wherever the practice stores cards
		values["platform"] = nil
	}
	in := dynamicpb.NewMessage(m.Input())
	for i := range m.Input().Fields().Len() {
		f := m.Input().Fields().Get(i)
		v, known := values[f.Name()]
		switch {
		case known && v == nil:
		case known:
			in.Set(f, protoreflect.ValueOf(v))
		case f.Kind() == protoreflect.EnumKind: // the last one is as good as any
			v := f.Enum().Values()
			in.Set(f, protoreflect.ValueOfEnum(v.Get(v.Len()-1).Number()))
		case f.Message() != nil && f.Message().Name() == "Money":
			money := in.Mutable(f).Message()
			money.Set(f.Message().Fields().ByName("minor"), protoreflect.ValueOfInt64(100))
			money.Set(f.Message().Fields().ByName("currency"), protoreflect.ValueOfString("USD"))
		case f.Name() == "until":
			ts := in.Mutable(f).Message()
			ts.Set(f.Message().Fields().ByName("seconds"), protoreflect.ValueOfInt64(time.Now().Add(time.Hour).Unix()))
		default:
			require.FailNow(t, "a new kind of field", "%s: say here what the field %s of a neighbour's request holds", m.FullName(), f.Name())
		}
	}
	if f := m.Input().Fields().ByName("scope"); f != nil { // of a stored card: until a day, for no one charge
		in.Set(f, protoreflect.ValueOfEnum(f.Enum().Values().ByName("CONSENT_SCOPE_UNTIL").Number()))
		in.Clear(m.Input().Fields().ByName("charge_id"))
	}
	if f := m.Input().Fields().ByName("choice"); f != nil { // the one that takes an amount
		in.Set(f, protoreflect.ValueOfEnum(f.Enum().Values().ByName("CHOICE_SET_AMOUNT").Number()))
	}
	if f := m.Input().Fields().ByName("channel"); f != nil {
		in.Set(f, protoreflect.ValueOfEnum(f.Enum().Values().ByName("CHANNEL_SMS").Number()))
	}
	return in
}

// call makes a call and returns the (first) answer as JSON.
func (n *neighbours) call(t *testing.T, m protoreflect.MethodDescriptor, header string, in proto.Message) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", header), 20*time.Second)
	defer cancel()
	out := dynamicpb.NewMessage(m.Output())
	var err error
	if m.IsStreamingServer() {
		var s grpc.ClientStream
		s, err = n.s.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullName(m))
		require.NoError(t, err)
		require.NoError(t, s.SendMsg(in))
		require.NoError(t, s.CloseSend())
		err = s.RecvMsg(out)
	} else {
		err = n.s.conn.Invoke(ctx, fullName(m), in, out)
	}
	if err != nil {
		return "", err
	}
	b, err := protojson.Marshal(out)
	require.NoError(t, err)
	return string(b), nil
}

// silent are the methods whose answer to oak itself names nothing of oak.
var silent = map[protoreflect.Name]string{
	"VerifyAuditChain": "a count and a hash", "GetInboxStats": "numbers", "RevokeCardConsent": "yes or no", "RecordMessageConsent": "yes or no",
	"RevokeMessageConsent": "a number", "GetMessageConsents": "channels and times", "ReplayEvent": "nothing", "DismissEvent": "nothing",
}

// Whoever belongs to maple, with every role there is, sees and changes nothing
// of oak by any method: neither by naming oak, nor by naming what is oak's in
// maple's name. Oak itself, with the same requests, is the proof that there was
// something to see.
func TestNoMethodReachesIntoAnotherPractice(t *testing.T) {
	t.Parallel()
	n := setupNeighbours(t)
	maple, oak := token(t, "mia", everyRole, []string{"maple"}), token(t, "otto", everyRole, []string{"oak"})
	before := n.rows(t)
	for _, m := range methods() {
		_, err := n.call(t, m, maple, n.filled(t, m, "oak"))
		require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", m.Name(), err)
		require.Empty(t, n.calls)

		text, err := n.call(t, m, maple, n.filled(t, m, "maple"))
		require.NotContains(t, []codes.Code{codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented, codes.Internal}, status.Code(err),
			"%s: the request must come far enough to prove something: %v", m.Name(), err)
		// A refusal may repeat the id that was asked for, which says nothing.
		refusal := strings.NewReplacer(string(oakKey.ID()), "it", `platform "`+oakPlatform+`"`, "it").Replace(status.Convert(err).Message())
		answer := text + " " + refusal
		if m.Name() == "StartCoPay" { // the same number of a charge at maple's EHR is a co-pay of maple's
			require.NotContains(t, answer, string(oakKey.ID()))
			require.Len(t, n.calls, 1)
			require.Equal(t, copay.PracticeID("maple"), n.calls[0].key.Practice)
			n.calls = nil
		} else {
			require.False(t, oaks(answer), "%s: %s", m.Name(), answer)
		}
		list := strings.HasPrefix(string(m.Name()), "List") && m.Name() != "ListHistories"
		if list || m.Name() == "CompareEstimates" { // and without any filter
			wide := dynamicpb.NewMessage(m.Input())
			wide.Set(m.Input().Fields().ByName("practice_id"), protoreflect.ValueOfString("maple"))
			text, err := n.call(t, m, maple, wide)
			require.NoError(t, err, m.Name())
			require.False(t, oaks(text), "%s: %s", m.Name(), text)
		}
		require.Empty(t, n.calls, "%s reached a workflow", m.Name())
		for _, k := range n.checked {
			require.NotEqual(t, copay.PracticeID("oak"), k.Practice, m.Name())
		}
	}
	require.Equal(t, before, n.rows(t), "nothing of oak's was changed")

	for _, m := range methods() {
		if m.Name() == "DismissEvent" {
			continue // after ReplayEvent there is no dead letter
		}
		text, err := n.call(t, m, oak, n.filled(t, m, "oak"))
		require.NoError(t, err, m.Name())
		require.Equal(t, silent[m.Name()] == "", oaks(text), "%s answers oak itself: %s", m.Name(), text)
		n.calls = nil
	}
	require.NotEqual(t, before, n.rows(t), "oak's own acts change its rows, so the fingerprint sees changes")
}

// The same over REST, by every binding of every method.
func TestNoPathLeadsIntoAnotherPractice(t *testing.T) {
	t.Parallel()
	n := setupNeighbours(t)
	maple := token(t, "mia", everyRole, []string{"maple"})
	values := map[string]string{"practice_id": "oak", "copay_id": string(oakKey.ID()), "inbox_id": fmt.Sprint(n.inbox), "run_id": oakRun, "refund_id": "ref-1", "platform": oakPlatform, "patient_ref": oakPatient}
	before := n.rows(t)
	for _, m := range methods() {
		rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			method, path := http.MethodGet, r.GetGet()
			if path == "" {
				method, path = http.MethodPost, r.GetPost()
			}
			require.NotEmpty(t, path, "%s: teach this test the verb", m.Name())
			path = regexp.MustCompile(`\{(\w+)\}`).ReplaceAllStringFunc(path, func(f string) string {
				v, ok := values[strings.Trim(f, "{}")]
				require.True(t, ok, "%s: say here what %s is", m.Name(), f)
				return v
			})
			for who, want := range map[string]int{maple: http.StatusForbidden, "": http.StatusUnauthorized} {
				body := "{}"
				if method == http.MethodGet {
					body = ""
				}
				req := httptest.NewRequest(method, path, strings.NewReader(body))
				if who != "" {
					req.Header.Set("Authorization", who)
				}
				w := httptest.NewRecorder()
				n.s.Handler().ServeHTTP(w, req)
				require.Equal(t, want, w.Code, "%s %s: %s", method, path, w.Body)
				require.True(t, json.Valid(w.Body.Bytes()))
				require.False(t, oaks(w.Body.String()))
			}
		}
	}
	require.Empty(t, n.calls)
	require.Equal(t, before, n.rows(t))
}

// A practice that is not named, or named in some other spelling, is not a way
// around.
func TestAPracticeHasOneName(t *testing.T) {
	t.Parallel()
	n := setupNeighbours(t)
	everywhere := token(t, "root", everyRole, []string{"*"})
	for _, m := range methods() {
		for _, practice := range []string{"", " oak", "oak ", "OAK", "*", "oak\x00", "maple,oak", "oak/../maple", "ｏak"} {
			in := n.filled(t, m, practice)
			_, err := n.call(t, m, token(t, "mia", everyRole, []string{"maple"}), in)
			require.Contains(t, []codes.Code{codes.InvalidArgument, codes.PermissionDenied}, status.Code(err), "%s of %q", m.Name(), practice)
			_, err = n.call(t, m, everywhere, in)
			require.Equal(t, codes.InvalidArgument, status.Code(err), "%s of %q, by one who may everything", m.Name(), practice)
		}
	}
	require.Empty(t, n.calls)
}

// The contract's option decides, read here from the contract itself.
func TestTheContractsRolesAreTheOnlyOnes(t *testing.T) {
	t.Parallel()
	n := setupNeighbours(t)
	for _, m := range methods() {
		allowed := contractRoles(t, m)
		require.NotEmpty(t, allowed, m.Name())
		require.Subset(t, everyRole, allowed)
		for _, role := range everyRole {
			in := n.filled(t, m, "maple")
			if f := in.Descriptor().Fields().ByName("choice"); f != nil { // anybody may have it tried again
				in.Set(f, protoreflect.ValueOfEnum(f.Enum().Values().ByName("CHOICE_RETRY").Number()))
			}
			_, err := n.call(t, m, token(t, "ana", []string{role}, []string{"maple"}), in)
			if slices.Contains(allowed, role) {
				require.NotEqual(t, codes.PermissionDenied, status.Code(err), "%s as %s: %v", m.Name(), role, err)
			} else {
				require.Equal(t, codes.PermissionDenied, status.Code(err), "%s as %s", m.Name(), role)
			}
		}
		for name, roles := range map[string][]string{"none": nil, "one there is not": {"superuser"}, "another spelling": {"Admin", "ROLE_ADMIN", "admin "}} {
			_, err := n.call(t, m, token(t, "ana", roles, []string{"maple", "oak"}), n.filled(t, m, "maple"))
			require.Equal(t, codes.PermissionDenied, status.Code(err), "%s with the role: %s", m.Name(), name)
		}
		_, err := n.call(t, m, token(t, "ana", everyRole, nil), n.filled(t, m, "maple"))
		require.Equal(t, codes.PermissionDenied, status.Code(err), "%s without a practice", m.Name())
	}
}

// contractRoles reads the access option without the code that enforces it.
func contractRoles(t *testing.T, m protoreflect.MethodDescriptor) []string {
	t.Helper()
	var out []string
	m.Options().ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.FullName() != "copay.v1.access" {
			return true
		}
		access := v.Message()
		list := access.Get(access.Descriptor().Fields().ByName("roles")).List()
		for i := range list.Len() {
			name := access.Descriptor().Fields().ByName("roles").Enum().Values().ByNumber(list.Get(i).Enum()).Name()
			out = append(out, strings.ToLower(strings.TrimPrefix(string(name), "ROLE_")))
		}
		return false
	})
	return out
}

// An empty chain of a mistyped practice is no proof of anything.
func TestTheChainOfNoPractice(t *testing.T) {
	t.Parallel()
	n := setupNeighbours(t)
	c := copayv1.NewAuditServiceClient(n.s.conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", token(t, "root", []string{"auditor"}, []string{"*"}))
	_, err := c.VerifyAuditChain(ctx, &copayv1.VerifyAuditChainRequest{PracticeId: "oka"})
	require.Equal(t, codes.NotFound, status.Code(err))
	for _, practice := range []string{"oak", "maple"} {
		r, err := c.VerifyAuditChain(ctx, &copayv1.VerifyAuditChainRequest{PracticeId: practice})
		require.NoError(t, err)
		require.True(t, r.GetOk())
	}
	require.NoError(t, n.store.AppendAudit(ctx, ledger.AuditEntry{Practice: "elm", Actor: copay.System(), Action: "long ago"}))
	r, err := c.VerifyAuditChain(ctx, &copayv1.VerifyAuditChainRequest{PracticeId: "elm"})
	require.NoError(t, err)
	require.True(t, r.GetOk(), "it was a practice once")
}
