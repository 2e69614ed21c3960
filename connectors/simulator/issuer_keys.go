package simulator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// tokenAlgorithms are what access tokens are signed with.
var tokenAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256}

// signingKeys are the private keys of the issuer: those that sign now, and those
// that signed before and are still published.
type signingKeys struct {
	Current []jose.JSONWebKey `json:"current"`
	Old     []jose.JSONWebKey `json:"old"`
}

// published is the JWKS: public halves only.
func (k signingKeys) published() jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, keys := range [][]jose.JSONWebKey{k.Current, k.Old} {
		for _, key := range keys {
			set.Keys = append(set.Keys, key.Public())
		}
	}
	return set
}

func newKeys() ([]jose.JSONWebKey, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return []jose.JSONWebKey{
		{Key: ec, KeyID: uuid.NewString(), Algorithm: string(jose.ES256), Use: "sig"},
		{Key: rsaKey, KeyID: uuid.NewString(), Algorithm: string(jose.RS256), Use: "sig"},
	}, nil
}

const keysFile = "issuer-keys.json"

// loadKeys reads the keys of the folder, or makes and keeps new ones.
func loadKeys(folder string) (signingKeys, error) {
	var keys signingKeys
	if folder != "" {
		raw, err := os.ReadFile(filepath.Join(folder, keysFile))
		if err == nil {
			return keys, json.Unmarshal(raw, &keys)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return keys, err
		}
	}
	current, err := newKeys()
	if err != nil {
		return keys, err
	}
	keys.Current = current
	return keys, keys.save(folder)
}

// save replaces the file in one step, readable by its owner alone.
func (k signingKeys) save(folder string) error {
	if folder == "" {
		return nil
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	path := filepath.Join(folder, keysFile)

	// A crash in the middle of a file would lose the keys that every token of now hangs on.
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// SigningKey is the private key that signs with the algorithm now, for tokens that
// are forged on purpose. It panics when the issuer does not sign with it.
func (i *Issuer) SigningKey(algorithm jose.SignatureAlgorithm) jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, key := range i.keys.Current {
		if key.Algorithm == string(algorithm) {
			return key
		}
	}
	panic(fmt.Sprintf("the issuer does not sign with %s", algorithm))
}

// Rotate signs with new keys from now on; the ones before stay published.
func (i *Issuer) Rotate() error {
	current, err := newKeys()
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = signingKeys{Current: current, Old: append(i.keys.Current, i.keys.Old...)}
	return i.keys.save(i.config.Folder)
}

// Retire withdraws all keys that do not sign any more.
func (i *Issuer) Retire() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys.Old = nil
	return i.keys.save(i.config.Folder)
}
