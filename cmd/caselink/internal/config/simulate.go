package config

import (
	"bytes"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
)

// Simulate is the configuration of caselink simulate.
type Simulate struct {
	Issuer struct {
		Listen   string   `yaml:"listen"` // host:port
		URL      string   `yaml:"url"`
		Audience string   `yaml:"audience"`
		Folder   string   `yaml:"folder"` // for the signing keys
		Clients  []Client `yaml:"clients"`
	} `yaml:"issuer"`
	GPSystems struct {
		Listen    string   `yaml:"listen"` // host:port
		Folder    string   `yaml:"folder"` // for what they received
		Practices []string `yaml:"practices"`
	} `yaml:"gp_systems"`
}

// Client is a client that the issuer knows.
type Client struct {
	ID     string         `yaml:"id"`
	Secret string         `yaml:"secret"`
	Scope  string         `yaml:"scope"`
	Claims map[string]any `yaml:"claims,omitempty"` // of its tokens, whatever their type
}

// LoadSimulate reads the file; a key that is not known is an error.
func LoadSimulate(path string) (cfg Simulate, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return cfg, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}
