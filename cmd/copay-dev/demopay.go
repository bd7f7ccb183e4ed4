package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var linkPattern = regexp.MustCompile(`https?://\S+/pay/[A-Za-z0-9_-]+`)

// pays does what the patient does, with a browser's means: open the link,
// confirm the date of birth, pay on the processor's page.
func (d *story) pays(ctx context.Context) error {
	d.title("The patient opens the link, confirms the date of birth and pays on Stripe's page")
	var link string
	for _, m := range d.s.Sandbox.Twilio.Messages() {
		if l := linkPattern.FindString(m.Body); l != "" {
			link = l
		}
	}
	if link == "" {
		return errors.New("no text holds a payment link")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := visit(ctx, browser, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	d.say("the practice's page opens: %s", page.Status)
	page, err = visit(ctx, browser, http.MethodPost, link, url.Values{"month": {"2"}, "day": {"3"}, "year": {"1980"}})
	if err != nil {
		return err
	}
	hosted := page.Header.Get("Location")
	if page.StatusCode != http.StatusSeeOther || hosted == "" {
		return fmt.Errorf("the pay page answered %s instead of leading to the processor", page.Status)
	}
	d.say("the date of birth is right: the practice's page leads to Stripe's (the first one has run out after 23 hours, so a new one is opened)")
	session := regexp.MustCompile(`cs_[A-Za-z0-9_]+`).FindString(hosted)
	if _, err := visit(ctx, browser, http.MethodGet, hosted, nil); err != nil {
		return err
	}
	if err := d.s.Sandbox.Stripe.PaySession(session, "pm_card_visa"); err != nil {
		return fmt.Errorf("the payment failed: %w", err)
	}
	d.say("paid with a test card, which the practice never sees")
	return d.tellBefore(ctx, kindPaid)
}

func visit(ctx context.Context, c *http.Client, method, to string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		return res, fmt.Errorf("%s answered %s", req.URL.Path, res.Status)
	}
	return res, nil
}
