package quickbooks

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// listTTL is how long ids of list entries are believed; a refused reference
// drops them at once.
const listTTL = time.Hour

// maxKept bounds the memory of a busy practice's customers.
const maxKept = 20_000

// lists remembers the ids of customers, items, accounts and payment methods,
// so that booking a co-pay does not look them up each time.
type lists struct {
	now func() time.Time

	mu   sync.Mutex
	kept map[string]listed
}

type listed struct {
	id    string
	until time.Time
}

func (l *lists) get(key string, find func() (string, error)) (string, error) {
	l.mu.Lock()
	e, ok := l.kept[key]
	l.mu.Unlock()
	if ok && l.now().Before(e.until) {
		return e.id, nil
	}
	id, err := find()
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil || len(l.kept) >= maxKept {
		l.kept = map[string]listed{}
	}
	l.kept[key] = listed{id: id, until: l.now().Add(listTTL)}
	return id, nil
}

func (l *lists) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = nil
}

// customer finds or makes the customer of an alias. Display names are one
// name space for customers, vendors and employees, so a name taken by
// another sort gets a suffix.
func (c *Connector) customer(ctx context.Context, patient copay.PatientAlias) (string, error) {
	alias := string(patient)
	if alias == "" || len(alias) > 400 || strings.ContainsAny(alias, ":\t\r\n\\") {
		return "", c.invalid("customer.create", "the patient's alias is missing or cannot be a name in QuickBooks")
	}
	return c.lists.get("customer "+alias, func() (string, error) {
		for _, name := range []string{alias, alias + " (patient)"} {
			id, err := c.ensure(
				func() (string, error) { return c.findCustomer(ctx, name) },
				func() (string, error) {
					a, err := c.api.add(ctx, "customer", customer{DisplayName: name})
					return a.Customer.id(), err
				})
			if !hasCode(err, codeDuplicateName) {
				return id, err
			}
		}
		return "", c.invalid("customer.create", "the patient's alias is in use by a vendor or an employee")
	})
}

// ensure looks for a list entry and makes it when there is none. When
// somebody made it in between, the name is refused and the second look finds it.
func (c *Connector) ensure(find, create func() (string, error)) (string, error) {
	if id, err := find(); err != nil || id != "" {
		return id, err
	}
	id, err := create()
	if err == nil && id == "" {
		err = &integrations.Error{Kind: integrations.KindUnavailable, Platform: c.platform, Op: "list.create",
			Message: "the answer holds no id"}
	}
	if !hasCode(err, codeDuplicateName) {
		return id, err
	}
	if found, ferr := find(); ferr != nil || found != "" {
		return found, ferr
	}
	return "", err
}

func (x *customer) id() string {
	if x == nil {
		return ""
	}
	return x.ID
}

func (x *item) id() string {
	if x == nil {
		return ""
	}
	return x.ID
}

func (c *Connector) findCustomer(ctx context.Context, name string) (string, error) {
	l, err := c.api.query(ctx, "customer.find", "select * from Customer where DisplayName = "+quote(name))
	if err != nil {
		return "", err
	}
	for _, x := range l.Customer {
		if strings.EqualFold(x.DisplayName, name) {
			return x.ID, nil
		}
	}
	return "", nil
}

// item finds or makes the service item that all lines carry.
func (c *Connector) item(ctx context.Context) (string, error) {
	name := c.config.ItemName
	return c.lists.get("item", func() (string, error) {
		return c.ensure(
			func() (string, error) {
				l, err := c.api.query(ctx, "item.find", "select * from Item where Name = "+quote(name))
				if err != nil {
					return "", err
				}
				for _, x := range l.Item {
					if strings.EqualFold(x.Name, name) {
						return x.ID, nil
					}
				}
				return "", nil
			},
			func() (string, error) {
				income, err := c.incomeAccount(ctx)
				if err != nil {
					return "", err
				}
				a, err := c.api.add(ctx, "item", item{Name: name, Type: "Service", IncomeAccountRef: refTo(income)})
				return a.Item.id(), err
			})
	})
}

// incomeAccount is the configured one, or else the first account for service
// fees, or else the first income account.
func (c *Connector) incomeAccount(ctx context.Context) (string, error) {
	if c.config.IncomeAccount != "" {
		return c.account(ctx, c.config.IncomeAccount)
	}
	l, err := c.api.query(ctx, "account.find", "select * from Account where AccountType = 'Income' orderby Id maxresults 1000")
	if err != nil {
		return "", err
	}
	for _, a := range l.Account {
		if a.AccountSubType == "ServiceFeeIncome" {
			return a.ID, nil
		}
	}
	if len(l.Account) == 0 {
		return "", c.invalid("account.find", "the books have no income account; set income_account")
	}
	return l.Account[0].ID, nil
}

// account resolves an account given by id, name or full name.
func (c *Connector) account(ctx context.Context, given string) (string, error) {
	if given == "" || digits.MatchString(given) {
		return given, nil
	}
	return c.lists.get("account "+given, func() (string, error) {
		name := given[strings.LastIndex(given, ":")+1:]
		l, err := c.api.query(ctx, "account.find", "select * from Account where Name = "+quote(name))
		if err != nil {
			return "", err
		}
		for _, a := range l.Account {
			if strings.EqualFold(a.FullyQualifiedName, given) {
				return a.ID, nil
			}
		}
		if name == given && len(l.Account) == 1 {
			return l.Account[0].ID, nil
		}
		return "", c.invalid("account.find", fmt.Sprintf("the books have no single account named %q; check the configuration", given))
	})
}

// undeposited is the account in which payments wait for a deposit, or "" when
// the books have none.
func (c *Connector) undeposited(ctx context.Context) (string, error) {
	return c.lists.get("undeposited", func() (string, error) {
		l, err := c.api.query(ctx, "account.find", "select * from Account where AccountSubType = 'UndepositedFunds' maxresults 1")
		if err != nil || len(l.Account) == 0 {
			return "", err
		}
		return l.Account[0].ID, nil
	})
}

// method is the payment method for a rail, or "" when the books have none.
func (c *Connector) method(ctx context.Context, rail copay.Rail) (string, error) {
	names := methodNames(rail)
	if len(names) == 0 {
		return "", nil
	}
	return c.lists.get("method "+string(rail), func() (string, error) {
		l, err := c.api.query(ctx, "paymentmethod.find", "select * from PaymentMethod maxresults 1000")
		if err != nil {
			return "", err
		}
		for _, n := range names {
			for _, m := range l.PaymentMethod {
				if strings.EqualFold(m.Name, n) {
					return m.ID, nil
				}
			}
		}
		return "", nil
	})
}
