package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// complete fills in defaults and reads the secrets that stand in files.
func (r *reader) complete(cfg *Config) {
	orDefault(&cfg.Listen, DefaultListen)
	orDefault(&cfg.Log.Level, "info")
	// URLs are made by adding a path: a slash at the end would stand there twice, and a
	// Location that differs from the base in a slash is another URL to a client.
	cfg.PublicURL = strings.TrimSuffix(cfg.PublicURL, "/")
	if cfg.Database.MaxConnections == 0 {
		cfg.Database.MaxConnections = DefaultMaxConnections
	}
	r.databaseURL("database.url", &cfg.Database.URL, cfg.Database.URLFile)
	r.databaseURL("database.owner_url", &cfg.Database.OwnerURL, cfg.Database.OwnerURLFile)
	for i := range cfg.Practices {
		for j := range cfg.Practices[i].Destinations {
			path := fmt.Sprintf("practices[%d].destinations[%d]", i, j)
			r.completeDestination(&cfg.Practices[i].Destinations[j], cfg.Practices[i].ODS, path)
		}
	}
}

func (r *reader) completeDestination(d *Destination, ods, path string) {
	orDefault(&d.ID, ods)
	if d.Kind == KindFHIR {
		orDefault(&d.Mode, ModePUT)
	}
	// The token is read once, here, so that a file that is missing stops the start and not
	// the first write-back.
	if d.TokenFile != "" {
		d.Token = r.secret(path+".token_file", d.TokenFile)
	}
}

// databaseURL checks the URL, or reads it from its file.
func (r *reader) databaseURL(path string, value *string, file string) {
	switch {
	case *value != "" && file != "":
		r.fault(path, "and %s_file contradict each other: keep one", path)
		return
	case file != "":
		*value = r.secret(path+"_file", file)
	}

	u, err := url.Parse(*value)
	switch {
	case *value == "":
		return
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql":
		r.fault(path, "must be a URL such as postgres://caselink@db.example/caselink")
	// Whoever may read the configuration could read the password, and it would travel with
	// every copy of it. A file of its own and the environment belong to the process alone.
	case file == "" && hasPassword(u) && strings.HasPrefix(r.where[path], r.file):
		r.fault(path, "holds a password: put the URL into a file of its own and name it in %s_file, or into the environment",
			path)
	}
}

func hasPassword(u *url.URL) bool {
	_, inUser := u.User.Password()
	return inUser || u.Query().Has("password")
}

// secret reads a file that holds one line.
func (r *reader) secret(path, file string) string {
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(r.file), file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		r.fault(path, "cannot be read: %v", err)
	}
	return strings.TrimSpace(string(text))
}

func orDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}
