package drchronosim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Patient is somebody to seed. Everything is invented.
type Patient struct {
	FirstName, LastName, BirthDate, Gender string
	Phone, Email, State, Zip, Language     string
	CoPay                                  string // staff-entered, "25.00" or ""
	PayerID, PayerName, MemberID           string // empty: no insurance
	SelfPay, NoSMS                         bool
}

// AddPatient seeds a patient and returns the id.
func (s *Server) AddPatient(p Patient) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID()
	o := object{"id": json.Number(id), "first_name": p.FirstName, "last_name": p.LastName, "date_of_birth": p.BirthDate, "gender": p.Gender,
		"cell_phone": p.Phone, "home_phone": "", "email": p.Email, "state": p.State, "zip_code": p.Zip, "preferred_language": language(p.Language),
		"disable_sms_messages": p.NoSMS, "copay": p.CoPay, "patient_payment_profile": "Insurance", "patient_status": "A", "doctor": json.Number("310055"),
		"primary_insurance": nil, "secondary_insurance": nil, "tertiary_insurance": nil, "updated_at": s.stamp()}
	if p.SelfPay {
		o["patient_payment_profile"] = "Cash"
	}
	if p.MemberID != "" {
		o["primary_insurance"] = policy(p)
	}
	s.patients[id] = o
	return id
}

func policy(p Patient) object {
	return object{"insurance_company": p.PayerName, "insurance_payer_id": p.PayerID, "insurance_id_number": p.MemberID,
		"insurance_group_number": "G100", "insurance_plan_name": "PPO", "is_subscriber_the_patient": true}
}

// Insure replaces a patient's first insurance by that of p, as staff do in the
// web interface, and fires PATIENT_MODIFY.
func (s *Server) Insure(id string, p Patient) {
	s.mu.Lock()
	o := s.patients[id]
	if o == nil {
		s.mu.Unlock()
		return
	}
	o["primary_insurance"], o["patient_payment_profile"], o["updated_at"] = policy(p), "Insurance", s.stamp()
	body := public(o)
	s.mu.Unlock()
	s.fire("PATIENT_MODIFY", body)
}

// language is DrChrono's ISO 639 alpha-3 code.
func language(l string) string {
	switch l {
	case "":
		return "blank"
	case "es":
		return "spa"
	case "en":
		return "eng"
	}
	return l
}

// AddDoctor seeds a doctor with a time zone and returns the id.
func (s *Server) AddDoctor(timeZone, specialty string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID()
	s.doctors[id] = object{"id": json.Number(id), "first_name": "Robin", "last_name": "Doctor", "specialty": specialty, "timezone": timeZone, "practice_group": "4711"}
	return id
}

// Charge is a billed service to seed.
type Charge struct {
	Patient string
	Cents   int64
	Code    string // CPT; default 99213
	Date    string // of service; default today at the office
	Doctor  string // default the practice's first
	// Profile is the visit's payment profile: default the patient's, which a
	// new visit takes over.
	Profile string
	// Visit is the appointment of an earlier charge, for another line of the
	// same visit; default a new one.
	Visit string
	// Quiet keeps the webhook back (it was lost).
	Quiet bool
}

// AddCharge makes a visit and its line item and fires LINE_ITEM_CREATE, as a
// clinic does when it enters a charge. It returns the line item's id.
func (s *Server) AddCharge(c Charge) string {
	s.mu.Lock()
	if c.Code == "" {
		c.Code = "99213"
	}
	if c.Date == "" {
		c.Date = s.stamp()[:10]
	}
	if c.Doctor == "" {
		c.Doctor = "310055"
	}
	if c.Profile == "" {
		c.Profile, _ = s.patients[c.Patient]["patient_payment_profile"].(string)
	}
	now, visit := s.stamp(), c.Visit
	if visit == "" {
		visit = s.nextID()
		s.addVisit(visit, c, now)
	}
	line := s.nextID()
	amount := dollars(c.Cents)
	s.lines[line] = object{"id": json.Number(line), "_made": time.Now(), "appointment": json.Number(visit), "patient": c.Patient, "doctor": c.Doctor, "code": c.Code, "procedure_type": "CPT(C)", "diagnosis_pointers": []string{"1", "0", "0", "0"}, "modifiers": []string{"", "", "", ""},
		"description": "Office visit", "price": amount, "quantity": json.Number("1.0"), "billed": amount, "allowed": json.Number("0.00"), "balance_pt": json.Number("0.00"),
		"balance_total": amount.String(), "paid_total": "0.00", "service_date": c.Date, "posted_date": c.Date, "billing_status": "", "updated_at": now}
	o := public(s.lines[line])
	s.mu.Unlock()
	if !c.Quiet {
		s.fire("LINE_ITEM_CREATE", o)
	}
	return line
}

func (s *Server) addVisit(id string, c Charge, now string) {
	s.visits[id] = object{"id": id, "patient": json.Number(c.Patient), "doctor": json.Number(c.Doctor), "office": json.Number("318822"), "exam_room": 1,
		"scheduled_time": c.Date + "T09:30:00", "duration": 30, "status": "Complete", "billing_status": "Bill Insurance", "payment_profile": c.Profile,
		"deleted_flag": false, "updated_at": now}
}

func dollars(cents int64) json.Number {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return json.Number(fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100))
}

// ModifyCharge changes a line item's amount and fires LINE_ITEM_MODIFY.
func (s *Server) ModifyCharge(line string, cents int64) {
	s.mu.Lock()
	l, ok := s.lines[line]
	if !ok {
		s.mu.Unlock()
		return
	}
	l["price"], l["billed"], l["updated_at"] = dollars(cents), dollars(cents), s.stamp()
	o := public(l)
	s.mu.Unlock()
	s.fire("LINE_ITEM_MODIFY", o)
}

// DeleteCharge deletes a line item and fires LINE_ITEM_DELETE.
func (s *Server) DeleteCharge(line string) {
	s.mu.Lock()
	if s.lines[line] == nil {
		s.mu.Unlock()
		return
	}
	o := public(s.lines[line])
	delete(s.lines, line)
	s.gone = append(s.gone, object{"billing_line_item_id": o["id"], "appointment_id": o["appointment"], "created_at": s.stamp(), "updated_at": s.stamp()})
	s.mu.Unlock()
	s.fire("LINE_ITEM_DELETE", o)
}

// Resend fires LINE_ITEM_CREATE for a line item again, as a redelivery does.
func (s *Server) Resend(line string) {
	s.mu.Lock()
	l, ok := s.lines[line]
	o := public(l)
	s.mu.Unlock()
	if ok {
		s.fire("LINE_ITEM_CREATE", o)
	}
}

// AddCheck stores an eligibility check the EHR has run: an EB code, a service
// type and the clearinghouse's details.
func (s *Server) AddCheck(appointment, eb, service string, details any) {
	s.AddCheckAt(appointment, "Primary Insurance", "", eb, service, details)
}

// AddCheckAt is AddCheck for a level of coverage and a day ("": now).
func (s *Server) AddCheckAt(appointment, level, day, eb, service string, details any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if day == "" {
		day = s.stamp()
	}
	c := object{"id": json.Number(s.nextID()), "appointment": appointment, "cob_level": level, "query_date": day,
		"eligibility": eb, "request_service_type": service, "coverage_details": details, "updated_at": s.stamp()}
	if v := s.visits[appointment]; v != nil {
		c["patient"], c["_doctor"] = text(v["patient"]), text(v["doctor"])
		c["_visit_day"], _ = v["scheduled_time"].(string)
	}
	s.checks = append(s.checks, c)
}

// DeletePayment deletes a patient payment, as a person may in the web
// interface, and fires CASH_PAYMENT_DELETE.
func (s *Server) DeletePayment(payment string) {
	s.mu.Lock()
	var o object
	for i, p := range s.payments {
		if fmt.Sprint(p["id"]) == payment {
			o = public(p)
			s.payments = append(s.payments[:i], s.payments[i+1:]...)
			s.log = append(s.log, object{"id": json.Number(s.nextID()), "action": "D", "amount": p["amount"], "patient": fmt.Sprint(p["patient"]),
				"appointment": fmt.Sprint(p["appointment"]), "payment_method": p["payment_method"], "source": "web", "created_by": "310055", "updated_at": s.stamp()})
			break
		}
	}
	s.mu.Unlock()
	if o != nil {
		s.fire("CASH_PAYMENT_DELETE", o)
	}
}

// Payment is a row of the books.
type Payment struct {
	ID, Patient, LineItem, Trace, Type, Method string
	Cents                                      int64 // signed
}

// Payments are the books: every posting and reversal.
func (s *Server) Payments() []Payment {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Payment
	for _, p := range s.payments {
		n, err := cents(fmt.Sprint(p["amount"]))
		if err != nil {
			continue
		}
		out = append(out, Payment{ID: fmt.Sprint(p["id"]), Patient: fmt.Sprint(p["patient"]), LineItem: fmt.Sprint(p["line_item"]), Trace: fmt.Sprint(p["trace_number"]),
			Type: fmt.Sprint(p["payment_transaction_type"]), Method: fmt.Sprint(p["payment_method"]), Cents: n})
	}
	return out
}

// Visit is the appointment of a line item.
func (s *Server) Visit(line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.lines[line]["appointment"])
}

// fire sends an event. The signature header is the shared secret itself.
func (s *Server) fire(event string, o object) {
	s.mu.Lock()
	u, secret, delivery := s.cfg.WebhookURL, s.cfg.WebhookSecret, s.nextID()
	s.mu.Unlock()
	body, err := json.Marshal(object{"receiver": object{"id": 4411, "callback_url": u, "events": []string{event}}, "object": o})
	if err != nil || s.o.Hooks == nil {
		return
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h["X-drchrono-event"], h["X-drchrono-signature"], h["X-drchrono-delivery"] = []string{event}, []string{secret}, []string{"d" + delivery}
	s.o.Hooks.Send(sim.Delivery{URL: u, Header: h, Body: body})
}

// Ping sends the event behind the console's "Ping webhook" button.
func (s *Server) Ping() { s.fire("PING", object{}) }

// VerifyWebhook does the handshake that a new callback address must pass.
func (s *Server) VerifyWebhook(ctx context.Context) error {
	s.mu.Lock()
	u, secret := s.cfg.WebhookURL, s.cfg.WebhookSecret
	s.mu.Unlock()
	msg := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u+"?msg="+url.QueryEscape(msg), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return err
	}
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(msg))
	var got struct {
		Token string `json:"secret_token"`
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&got); err != nil || res.StatusCode != http.StatusOK || got.Token != hex.EncodeToString(m.Sum(nil)) {
		return fmt.Errorf("the webhook address did not prove that it knows the secret (HTTP %d)", res.StatusCode)
	}
	return nil
}

// Seeded is a patient or a charge as the sandbox's page shows it.
type Seeded struct {
	ID, Name, Born, Phone, Member, Patient string
	Cents                                  int64
}

// Patients lists the seeded patients.
func (s *Server) Patients() []Seeded {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Seeded
	for _, p := range values(s.patients) {
		x := Seeded{ID: fmt.Sprint(p["id"]), Name: fmt.Sprint(p["first_name"], " ", p["last_name"]), Born: fmt.Sprint(p["date_of_birth"]), Phone: fmt.Sprint(p["cell_phone"]), Member: "no insurance"}
		if i, ok := p["primary_insurance"].(object); ok {
			x.Member = fmt.Sprint(i["insurance_id_number"])
		}
		out = append(out, x)
	}
	return out
}

// Charges lists the line items.
func (s *Server) Charges() []Seeded {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Seeded
	for _, l := range values(s.lines) {
		n, err := cents(fmt.Sprint(l["price"]))
		if err != nil {
			continue
		}
		p := s.patients[fmt.Sprint(l["patient"])]
		out = append(out, Seeded{ID: fmt.Sprint(l["id"]), Patient: fmt.Sprint(p["first_name"], " ", p["last_name"]), Cents: n})
	}
	return out
}
