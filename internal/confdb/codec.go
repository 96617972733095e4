package confdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"redoubt/internal/fault"
)

// Kind says what a value of the repository is. It stands in the value itself, so that a value under the wrong key is noticed.
type Kind string

// The kinds of records.
const (
	KindCluster     Kind = "cluster"
	KindMembership  Kind = "membership"
	KindNode        Kind = "node"
	KindType        Kind = "type"
	KindGroup       Kind = "group"
	KindResource    Kind = "resource"
	KindWant        Kind = "want"
	KindAssignment  Kind = "assignment"
	KindInstance    Kind = "instance"
	KindFarewell    Kind = "farewell"
	KindAccess      Kind = "access"
	KindAsk         Kind = "ask"
	KindAttr        Kind = "attr"
	KindRevoked     Kind = "revoked"
	KindCertificate Kind = "certificate"
	KindAuthorities Kind = "authorities"
	KindTrust       Kind = "trust"
	KindQuorum      Kind = "quorum"
	KindSecret      Kind = "secret"
	KindForward     Kind = "forward"
	KindSerial      Kind = "serial"
	KindNetwork     Kind = "network"
	KindUser        Kind = "user"
	KindUnixGroup   Kind = "unix-group"
	KindRole        Kind = "role"
	KindProfile     Kind = "profile"
)

// Level is the level of the record schema that this build writes; it reads all levels up to it.
const Level = 1

// envelope is how every record is stored.
type envelope struct {
	Kind  Kind            `json:"kind"`
	Level int             `json:"level"`
	Spec  json.RawMessage `json:"spec"`
}

// Encode gives the stored form of a record of a kind.
func Encode(kind Kind, spec any) ([]byte, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode a %s record: %w", kind, err)
	}
	value, err := json.Marshal(envelope{Kind: kind, Level: Level, Spec: body})
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode a %s record: %w", kind, err)
	}
	return value, nil
}

// Decode reads the stored form of the record under key. It refuses what is damaged, of another kind or of a newer level, and
// fields that it does not know, naming the key and the way out.
func Decode[T any](kind Kind, key string, value []byte) (T, error) {
	var spec T
	var env envelope
	if err := strict(value, &env); err != nil {
		return spec, fault.Errorf(fault.Internal, "record %s is damaged; restore the repository from a snapshot or delete the object and create it again: %w", key, err)
	}
	if env.Kind != kind {
		return spec, fault.Errorf(fault.Internal, "record %s is of kind %q where %q belongs; restore the repository from a snapshot", key, env.Kind, kind)
	}
	if env.Level < 1 || env.Level > Level {
		return spec, fault.Errorf(fault.Unsupported, "record %s has schema level %d, this build reads up to %d; upgrade this node's redoubtd", key, env.Level, Level)
	}
	if err := strict(env.Spec, &spec); err != nil {
		return spec, fault.Errorf(fault.Internal, "record %s is damaged; restore the repository from a snapshot or delete the object and create it again: %w", key, err)
	}
	return spec, nil
}

// strict decodes exactly one JSON value without unknown fields.
func strict(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the record")
	}
	return nil
}
