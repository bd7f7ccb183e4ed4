package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/worker"
)

// Migrate brings the database's schema up to date.
func Migrate(ctx context.Context, c *config.Config) error {
	dsn, err := c.DSNSecret()
	if err != nil {
		return err
	}
	return worker.AtDatabase(c, ledger.Migrate(ctx, dsn.Reveal()))
}

// AttributeTypes are the configuration's search attributes as Temporal types.
func AttributeTypes(t config.TemporalDev) map[string]enumspb.IndexedValueType {
	names := map[string]enumspb.IndexedValueType{
		"Keyword": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "Text": enumspb.INDEXED_VALUE_TYPE_TEXT, "Int": enumspb.INDEXED_VALUE_TYPE_INT,
		"Double": enumspb.INDEXED_VALUE_TYPE_DOUBLE, "Bool": enumspb.INDEXED_VALUE_TYPE_BOOL, "Datetime": enumspb.INDEXED_VALUE_TYPE_DATETIME,
		"KeywordList": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST}
	out := map[string]enumspb.IndexedValueType{}
	for name, typ := range t.SearchAttributes {
		out[name] = names[typ]
	}
	return out
}

// MigrateTemporal makes the namespace where it is missing, sets its retention
// and registers the search attributes. It may be run again.
func MigrateTemporal(ctx context.Context, c client.Client, ns string, retention time.Duration, attrs map[string]enumspb.IndexedValueType) error {
	keep := durationpb.New(retention)
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{Namespace: ns, WorkflowExecutionRetentionPeriod: keep})
	var there *serviceerror.NamespaceAlreadyExists
	if errors.As(err, &there) {
		_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{Namespace: ns,
			Config: &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: keep}})
	}
	if err != nil {
		return fmt.Errorf("the namespace %s cannot be set up: %w", ns, err)
	}
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: ns})
	if err != nil {
		return fmt.Errorf("the search attributes cannot be read: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, typ := range attrs {
		if _, ok := have.CustomAttributes[name]; !ok {
			missing[name] = typ
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: ns, SearchAttributes: missing}); err != nil {
		return fmt.Errorf("the search attributes cannot be registered: %w", err)
	}
	return nil
}
