package auth

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/copayflow/copayflow/integrations"
)

// Tokens of the development stack.
const (
	devIssuer   = "copayflow-dev"
	devAudience = "copayflow"
)

type devClaims struct {
	jwt.RegisteredClaims
	Roles     []string `json:"roles"`
	Practices []string `json:"practices"`
}

// MintDev makes a token of the development stack for a subject.
func MintDev(secret integrations.Secret, subject string, roles, practices []string, now time.Time, ttl time.Duration) (string, error) {
	c := devClaims{Roles: roles, Practices: practices, RegisteredClaims: jwt.RegisteredClaims{Issuer: devIssuer, Subject: subject,
		Audience: jwt.ClaimStrings{devAudience}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl))}}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret.Reveal()))
}

func (a *Authenticator) devToken(token string) (Principal, error) {
	var c devClaims
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return a.dev, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(devIssuer), jwt.WithAudience(devAudience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.now))
	if err != nil || c.Subject == "" {
		return Principal{}, errToken
	}
	who := principal(c.Subject, "staff", c.Roles, c.Practices)
	who.For = max(c.ExpiresAt.Sub(a.now()), 1)
	return who, nil
}
