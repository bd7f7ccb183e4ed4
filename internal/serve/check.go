package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/copayflow/copayflow/workflows"
)

// attributes are the search attributes without which no co-pay starts.
var attributes = []string{workflows.AttrPractice.GetName(), workflows.AttrState.GetName(), workflows.AttrRail.GetName(), workflows.AttrEHR.GetName(),
	workflows.AttrBucket.GetName(), workflows.AttrServiceDate.GetName(), workflows.AttrReview.GetName()}

// CheckTemporal says what is missing for co-pays to run on a cluster: that it
// serves, the namespace, its search attributes. Where they cannot be listed
// (Temporal Cloud asks for another key) they are taken to be there.
func CheckTemporal(ctx context.Context, c client.Client, ns string) error {
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("it does not serve: %w", err)
	}
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: ns})
	var none *serviceerror.NamespaceNotFound
	if errors.As(err, &none) {
		return fmt.Errorf("there is no namespace %q: run copay migrate, or mend temporal.namespace", ns)
	}
	if err != nil {
		return fmt.Errorf("the namespace %q cannot be read: %w", ns, err)
	}
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: ns})
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	var missing []string
	for _, name := range attributes {
		if _, ok := have.GetCustomAttributes()[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the namespace %q lacks the search attributes %s: run copay migrate", ns, strings.Join(missing, ", "))
	}
	return nil
}
