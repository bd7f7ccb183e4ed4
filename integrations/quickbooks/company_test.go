package quickbooks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
)

// A practice that connected the wrong company first, or moved to another, gives
// the new company's id and refresh token. The stored token still works, for
// the company it left.
func TestANewCompanyIsConnectedByItsOwnToken(t *testing.T) {
	t.Parallel()
	const newRealm = "9130350000000002"
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/v1/tokens/bearer", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		access := map[string]string{"AB11-old": "for-old", "AB11-new": "for-new"}[r.PostForm.Get("refresh_token")]
		if access == "" {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": access, "refresh_token": r.PostForm.Get("refresh_token"), "token_type": "bearer", "expires_in": 3600})
	})
	mux.HandleFunc("/v3/company/{realm}/", func(w http.ResponseWriter, r *http.Request) {
		may := map[string]string{"Bearer for-old": realm, "Bearer for-new": newRealm}[r.Header.Get("Authorization")]
		if may != r.PathValue("realm") {
			w.WriteHeader(403)
			_, _ = w.Write([]byte(`{"fault":{"error":[{"message":"message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403","code":"3100"}],"type":"AUTHORIZATION"}}`))
			return
		}
		_, _ = w.Write([]byte(`{"CompanyInfo":{"CompanyName":"New"}}`))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	store := &memory{}
	connect := func(realmID, refresh string) *quickbooks.Connector {
		c, err := quickbooks.New(integrations.Settings{Practice: "northside", Platform: "quickbooks", Tokens: store, Options: map[string]any{
			"realm_id": realmID, "client_id": "c", "client_secret": "literal:s", "refresh_token": "literal:" + refresh,
			"base_url": srv.URL, "token_url": srv.URL + "/oauth2/v1/tokens/bearer", "refund_account": "35"}})
		require.NoError(t, err)
		return c
	}
	_, err := connect(realm, "AB11-old").TestConnection(t.Context())
	require.NoError(t, err)
	_, err = connect(newRealm, "AB11-new").TestConnection(t.Context())
	require.NoError(t, err, "the configuration holds a consent of the new company")
}
