package main

import (
	"context"

	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/store"
)

// openDatabase opens the database of the configuration file, for a verb that looks or
// repairs while the adapter serves: it takes so many of the connections, and no more.
func openDatabase(ctx context.Context, file string, connections int32) (*store.DB, error) {
	cfg, err := config.Load(file, config.Environ())
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{URL: cfg.Database.URL, MaxConnections: connections})
}
