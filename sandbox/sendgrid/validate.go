package sendgridsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// refusal is why a mail is not taken.
type refusal struct {
	status         int
	field, message string
}

func bad(field, format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, field, fmt.Sprintf(format, args...)}
}

// reservedHeaders are those that a mail must not set itself.
var reservedHeaders = []string{"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from", "subject",
	"reply-to", "cc", "bcc"}

// check validates a mail and returns the custom arguments of all its parts.
func (s *Server) check(in request) (map[string]string, *refusal) {
	for _, check := range []func(request) *refusal{s.checkEnvelopes, s.checkSender, checkContent, s.checkSettings} {
		if e := check(in); e != nil {
			return nil, e
		}
	}
	args := map[string]string{}
	if len(in.CustomArgs) > 0 {
		raw := in.CustomArgs
		// The specification has a text of JSON here; the object itself is taken, too.
		var text string
		if json.Unmarshal(raw, &text) == nil {
			raw = json.RawMessage(text)
		}
		if json.Unmarshal(raw, &args) != nil {
			return nil, bad("custom_args", "The custom_args values must be strings.")
		}
	}
	return args, checkArgs(in, args)
}

// checkArgs bounds the custom arguments of each mail: those of its envelope
// together with those of the request.
func checkArgs(in request, shared map[string]string) *refusal {
	for i, p := range in.Personalizations {
		size := 0
		for k, v := range shared {
			if _, own := p.CustomArgs[k]; !own {
				size += len(k) + len(v)
			}
		}
		for k, v := range p.CustomArgs {
			text, ok := v.(string)
			if !ok {
				return bad(fmt.Sprintf("personalizations.%d.custom_args.%s", i, k), "The custom_args values must be strings.")
			}
			size += len(k) + len(text)
		}
		if size >= maxArgs {
			return bad(fmt.Sprintf("personalizations.%d.custom_args", i), "The custom_args must be less than 10000 bytes.")
		}
	}
	return nil
}

func (s *Server) checkEnvelopes(in request) *refusal {
	if len(in.Personalizations) == 0 {
		return bad("personalizations", "The personalizations field is required and must have at least one personalization.")
	}
	total := 0
	for i, p := range in.Personalizations {
		at := fmt.Sprintf("personalizations.%d", i)
		if len(p.To) == 0 {
			return bad(at+".to", "The to array is required for all personalization objects, and must have at least one email object with a valid email address.")
		}
		if e := checkRecipients(at, p); e != nil {
			return e
		}
		total += len(p.To) + len(p.CC) + len(p.BCC)
		if empty(p.Subject) {
			return bad(at+".subject", "The subject must be a string at least one character in length.")
		}
		if p.Subject == nil && (in.Subject == nil || empty(in.Subject)) && in.TemplateID == "" {
			return bad("subject", "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.")
		}
		if p.From != nil {
			if e := s.checkFrom(at+".from", p.From); e != nil {
				return e
			}
		}
		if e := s.checkTime(at+".send_at", p.SendAt); e != nil {
			return e
		}
	}
	if total > maxRecipients {
		return bad("personalizations", "The total number of recipients must not be more than 1000.")
	}
	return nil
}

// empty reports whether an optional field is there and says nothing.
func empty(s *string) bool { return s != nil && *s == "" }

// checkRecipients refuses bad addresses and one that is given twice.
func checkRecipients(at string, p personalization) *refusal {
	seen := map[string]bool{}
	for _, list := range []struct {
		name string
		of   []address
	}{{"to", p.To}, {"cc", p.CC}, {"bcc", p.BCC}} {
		for j, a := range list.of {
			if !isAddress(a.Email) {
				return bad(fmt.Sprintf("%s.%s.%d.email", at, list.name, j), "Does not contain a valid address.")
			}
			if key := strings.ToLower(a.Email); seen[key] {
				return bad(at, "Each email address in the personalization block should be unique between to, cc, and bcc. We found the first duplicate instance in the %s array.", list.name)
			} else {
				seen[key] = true
			}
		}
	}
	return nil
}

func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && strings.Contains(s[strings.LastIndex(s, "@"):], ".")
}

func (s *Server) checkTime(field string, at int64) *refusal {
	if at != 0 && at > s.o.Time().Add(maxAhead).Unix() {
		return bad(field, "The send_at parameter must be within the next 72 hours.")
	}
	return nil
}

func (s *Server) checkSender(in request) *refusal {
	if in.From == nil || in.From.Email == "" {
		return bad("from", "The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.")
	}
	if e := s.checkFrom("from", in.From); e != nil {
		return e
	}
	if in.ReplyTo != nil && len(in.ReplyToList) > 0 {
		return bad("reply_to", "Only one of reply_to and reply_to_list may be given.")
	}
	if in.ReplyTo != nil && !isAddress(in.ReplyTo.Email) {
		return bad("reply_to.email", "The reply_to email does not contain a valid address.")
	}
	seen := map[string]bool{}
	for i, a := range in.ReplyToList {
		if !isAddress(a.Email) || seen[strings.ToLower(a.Email)] || i >= maxRecipients {
			return bad(fmt.Sprintf("reply_to_list.%d.email", i), "The reply_to_list holds up to 1000 different valid addresses.")
		}
		seen[strings.ToLower(a.Email)] = true
	}
	return nil
}

// checkFrom refuses senders that are not verified.
func (s *Server) checkFrom(field string, from *address) *refusal {
	if !isAddress(from.Email) {
		return bad(field+".email", "The from email does not contain a valid address.")
	}
	domain := from.Email[strings.LastIndex(from.Email, "@"):]
	if from.Email != s.cfg.VerifiedFrom && !slices.Contains(s.cfg.MoreSenders, from.Email) && !slices.Contains(s.cfg.MoreSenders, domain) {
		return &refusal{http.StatusForbidden, field, "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."}
	}
	return nil
}

// templatePattern is the form of a dynamic template's id, or of a legacy one's.
var templatePattern = regexp.MustCompile(`^(d-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

func checkContent(in request) *refusal {
	if in.TemplateID != "" && !templatePattern.MatchString(in.TemplateID) {
		return bad("template_id", "The template_id must be a valid GUID, you provided '%s'.", in.TemplateID)
	}
	if in.TemplateID == "" && len(in.Content) == 0 {
		return bad("content", "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block.")
	}
	rank := map[string]int{"text/plain": 1, "text/html": 2}
	last := 0
	for i, c := range in.Content {
		at := fmt.Sprintf("content.%d", i)
		if c.Type == "" {
			return bad(at+".type", "The content type must be a string at least one character in length.")
		}
		if c.Value == "" {
			return bad(at+".value", "The content value must be a string at least one character in length.")
		}
		n := rank[c.Type]
		if n == 0 {
			n = 3
		}
		if n < last || (n == last && n < 3) {
			return bad("content", "If present, text/plain and text/html may only be provided once, in that order, before all other content types.")
		}
		last = n
	}
	return checkAttachments(in)
}

func checkAttachments(in request) *refusal {
	for i, a := range in.Attachments {
		at := fmt.Sprintf("attachments.%d", i)
		if empty(a.Type) {
			return bad(at+".type", "The attachment type must be a string at least one character in length.")
		}
		if a.Content == "" || a.Filename == "" {
			return bad(at, "The attachment content and filename are required.")
		}
		if _, err := base64.StdEncoding.DecodeString(a.Content); err != nil {
			return bad(at+".content", "The attachment content must be base64 encoded.")
		}
		if a.Disposition != "" && a.Disposition != "inline" && a.Disposition != "attachment" {
			return bad(at+".disposition", "The disposition of an attachment is inline or attachment.")
		}
	}
	return nil
}

func (s *Server) checkSettings(in request) *refusal {
	if len(in.Categories) > 10 {
		return bad("categories", "You may not have more than 10 categories.")
	}
	seen := map[string]bool{}
	for i, c := range in.Categories {
		if c == "" || len(c) > 255 || seen[c] {
			return bad(fmt.Sprintf("categories.%d", i), "A category must be unique and have 1 to 255 characters.")
		}
		seen[c] = true
	}
	if in.ASM != nil {
		if in.ASM.GroupID == nil {
			return bad("asm.group_id", "The asm.group_id is required.")
		}
		if !slices.Contains(s.cfg.Groups, *in.ASM.GroupID) {
			return bad("asm.group_id", "The group_id does not exist.")
		}
		if len(in.ASM.GroupsToDisplay) > 25 {
			return bad("asm.groups_to_display", "The groups_to_display array may not have more than 25 elements.")
		}
	}
	for _, headers := range append([]map[string]string{in.Headers}, envelopeHeaders(in)...) {
		for name := range headers {
			if slices.Contains(reservedHeaders, strings.ToLower(name)) {
				return bad("headers."+name, "The header is reserved and cannot be set.")
			}
		}
	}
	if in.BatchID != "" { // batches are made by a call that the simulator does not have
		return bad("batch_id", "The batch_id does not exist.")
	}
	if n := len(in.IPPool); n == 1 || n > 64 {
		return bad("ip_pool_name", "The ip_pool_name must have 2 to 64 characters.")
	}
	if in.Mail.BypassList.on() && (in.Mail.BypassBounce.on() || in.Mail.BypassSpam.on() || in.Mail.BypassUnsubscribe.on()) {
		return bad("mail_settings.bypass_list_management", "bypass_list_management cannot be combined with the other bypass settings.")
	}
	return s.checkTime("send_at", in.SendAt)
}

func envelopeHeaders(in request) []map[string]string {
	var out []map[string]string
	for _, p := range in.Personalizations {
		out = append(out, p.Headers)
	}
	return out
}
