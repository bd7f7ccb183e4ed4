package temporal

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/schema"
	v12 "go.temporal.io/server/schema/postgresql/v12"
)

// PostgresDatabases are the databases of a server whose store is PostgreSQL;
// they have to be there before it starts.
var PostgresDatabases = []string{postgresStore, postgresVisibility}

const (
	postgresStore      = "temporal"
	postgresVisibility = "temporal_visibility"
	// postgresConns bounds the connections of each of the server's stores.
	postgresConns = 20
)

// postgresStores are the server's stores in the PostgreSQL that dsn leads to.
func postgresStores(dsn string) (map[string]config.DataStore, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("the address of Temporal's PostgreSQL cannot be read")
	}
	password, _ := u.User.Password()
	attributes := map[string]string{}
	for k := range u.Query() {
		attributes[k] = u.Query().Get(k)
	}
	out := map[string]config.DataStore{}
	for _, name := range PostgresDatabases {
		out[name] = config.DataStore{SQL: &config.SQL{PluginName: postgresql.PluginNamePGX, DatabaseName: name, ConnectAddr: u.Host, ConnectProtocol: "tcp",
			User: u.User.Username(), Password: password, ConnectAttributes: maps.Clone(attributes), MaxConns: postgresConns, MaxIdleConns: postgresConns}}
	}
	return out, nil
}

// preparePostgres makes the schemas where they are missing.
func preparePostgres(stores map[string]config.DataStore) error {
	for name, s := range map[string]struct{ folder, version string }{
		postgresStore: {"temporal", v12.Version}, postgresVisibility: {"visibility", v12.VisibilityVersion}} {
		if err := prepareDatabase(stores[name].SQL, s.folder, s.version); err != nil {
			return fmt.Errorf("the database %s of Temporal cannot be set up: %w", name, err)
		}
	}
	return nil
}

func prepareDatabase(cfg *config.SQL, folder, version string) (err error) {
	db, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tables, err := db.ListTables(cfg.DatabaseName)
	if err != nil || slices.Contains(tables, "schema_version") {
		return err
	}
	file, err := schema.Assets().Open("postgresql/v12/" + folder + "/schema.sql")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	statements, err := persistence.LoadAndSplitQueryFromReaders([]io.Reader{file})
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := db.Exec(statement); err != nil {
			return err
		}
	}
	if err := db.CreateSchemaVersionTables(); err != nil { // last: it says that the rest is there
		return err
	}
	return db.UpdateSchemaVersion(cfg.DatabaseName, version, version)
}
