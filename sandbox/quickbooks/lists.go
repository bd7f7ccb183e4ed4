package quickbookssim

import (
	"encoding/json"
	"slices"
	"strings"
)

type customerBody struct {
	common
	DisplayName        *string         `json:"DisplayName"`
	GivenName          *string         `json:"GivenName"`
	FamilyName         *string         `json:"FamilyName"`
	Notes              *string         `json:"Notes"`
	Active             *bool           `json:"Active"`
	FullyQualifiedName json.RawMessage `json:"FullyQualifiedName"`
	Balance            json.RawMessage `json:"Balance"`
}

// maxName bounds display and item names.
const (
	maxName     = 500
	maxItemName = 100
)

func (s *Server) saveCustomer(c call) (any, []change, *fault) {
	var b customerBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	x, op := &Customer{Active: true}, "Create"
	if b.ID != "" {
		old, f := current[*Customer](s, "Customer", b.common)
		if f != nil {
			return nil, nil, f
		}
		x, op = old, "Update"
	} else {
		b.Sparse = false
	}
	if b.DisplayName == nil && !b.Sparse {
		return nil, nil, refuse("6080", "No Name Provided", "Title, GivenName, MiddleName, FamilyName, DisplayName, Suffix - one of these must be non-empty")
	}
	if b.DisplayName != nil {
		if f := s.nameFree(*b.DisplayName, x.ID); f != nil {
			return nil, nil, f
		}
		x.DisplayName, x.FullyQualifiedName = *b.DisplayName, *b.DisplayName
	}
	set(&x.GivenName, b.GivenName, b.Sparse)
	set(&x.FamilyName, b.FamilyName, b.Sparse)
	set(&x.Notes, b.Notes, b.Sparse)
	if b.Active != nil {
		x.Active, x.DisplayName = *b.Active, nameFor(x.DisplayName, *b.Active)
		x.FullyQualifiedName = x.DisplayName
	}
	if op == "Create" {
		s.insert("Customer", x)
	} else {
		x.touch(s.now())
	}
	return x, []change{s.changed("Customer", x, op)}, nil
}

// nameFor is the name of an active or inactive list entry; an inactive one
// gives its name free.
func nameFor(name string, active bool) string {
	const mark = " (deleted)"
	name = strings.TrimSuffix(name, mark)
	if !active {
		name += mark
	}
	return name
}

// nameFree checks the one name space of customers, vendors and employees.
func (s *Server) nameFree(name, self string) *fault {
	if strings.TrimSpace(name) == "" || strings.ContainsAny(name, ":\t\n\r") {
		return refuse("2010", "Request has invalid or unsupported property", "DisplayName must not hold a colon, tab or new line")
	}
	if len(name) > maxName {
		return tooLong("DisplayName", maxName)
	}
	taken := slices.ContainsFunc(s.others, func(o string) bool { return strings.EqualFold(o, name) })
	each(s, "Customer", func(c *Customer) { taken = taken || (c.ID != self && strings.EqualFold(c.DisplayName, name)) })
	if taken {
		return duplicateName()
	}
	return nil
}

type itemBody struct {
	common
	Name               *string         `json:"Name"`
	Description        *string         `json:"Description"`
	Type               *string         `json:"Type"`
	Active             *bool           `json:"Active"`
	UnitPrice          *Amount         `json:"UnitPrice"`
	IncomeAccountRef   *Ref            `json:"IncomeAccountRef"`
	FullyQualifiedName json.RawMessage `json:"FullyQualifiedName"`
}

func (s *Server) saveItem(c call) (any, []change, *fault) {
	var b itemBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	x, op := &Item{Active: true}, "Create"
	if service := "Service"; b.ID == "" && b.Type == nil {
		b.Type = &service
	}
	if b.ID != "" {
		old, f := current[*Item](s, "Item", b.common)
		if f != nil {
			return nil, nil, f
		}
		x, op = old, "Update"
	} else {
		b.Sparse = false
	}
	if f := s.checkItem(b, x.ID); f != nil {
		return nil, nil, f
	}
	set(&x.Name, b.Name, b.Sparse)
	set(&x.Type, b.Type, b.Sparse)
	set(&x.Description, b.Description, b.Sparse)
	set(&x.UnitPrice, b.UnitPrice, b.Sparse)
	if b.Active != nil {
		x.Active, x.Name = *b.Active, nameFor(x.Name, *b.Active)
	}
	x.FullyQualifiedName = x.Name
	if b.IncomeAccountRef != nil {
		a, _ := find[*Account](s, "Account", b.IncomeAccountRef.Value)
		x.IncomeAccountRef = &Ref{Value: a.ID, Name: a.Name}
	}
	if op == "Create" {
		s.insert("Item", x)
	} else {
		x.touch(s.now())
	}
	return x, []change{s.changed("Item", x, op)}, nil
}

func (s *Server) checkItem(b itemBody, self string) *fault {
	if !b.Sparse && (b.Name == nil || *b.Name == "") {
		return missing("Name")
	}
	if !b.Sparse && b.IncomeAccountRef == nil {
		return missing("IncomeAccountRef")
	}
	if f := checkText(b.Name, "Name", maxItemName); f != nil {
		return f
	}
	if b.Type != nil && *b.Type != "Service" && *b.Type != "NonInventory" {
		return refuse("2170", "Invalid Enumeration", "Invalid Enumeration : "+*b.Type)
	}
	if b.IncomeAccountRef != nil {
		a, ok := find[*Account](s, "Account", b.IncomeAccountRef.Value)
		if !ok || !a.Active || a.AccountType != "Income" {
			return badReference("IncomeAccountRef")
		}
	}
	taken := false
	if b.Name != nil {
		each(s, "Item", func(i *Item) { taken = taken || (i.ID != self && strings.EqualFold(i.Name, *b.Name)) })
	}
	if taken {
		return duplicateName()
	}
	return nil
}

// owe moves a customer's balance.
func (s *Server) owe(customer *Ref, by Amount) {
	if c, ok := find[*Customer](s, "Customer", customer.id()); ok {
		c.Balance += by
	}
}
