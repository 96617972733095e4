package confdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	KindFencing     Kind = "fencing"
	KindUser        Kind = "user"
	KindUnixGroup   Kind = "unix-group"
	KindRole        Kind = "role"
	KindProfile     Kind = "profile"
	KindSession     Kind = "session"
	KindSchema      Kind = "schema"
	KindReads       Kind = "reads"
)

// envelope is how every record is stored.
type envelope struct {
	Kind  Kind            `json:"kind"`
	Level int             `json:"level"`
	Spec  json.RawMessage `json:"spec"`
}

// Encode gives the stored form of a record of a kind, at the lowest level of the schema that has all that the record says.
func Encode(kind Kind, spec any) ([]byte, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode a %s record: %w", kind, err)
	}
	body, needs, _, err := lower(kind, body, newestLevel)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode a %s record: %w", kind, err)
	}
	if kind == KindMembership {
		needs = OldestLevel
	}
	return seal(kind, needs, body)
}

// EncodeFor is Encode for a cluster that has agreed on a level of the schema: it leaves out what can be spared, and refuses what that level does not have.
func EncodeFor(level int, kind Kind, spec any) ([]byte, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode a %s record: %w", kind, err)
	}
	return enclose(kind, body, level)
}

func enclose(kind Kind, body []byte, level int) ([]byte, error) {
	level = max(level, OldestLevel)
	body, needs, says, err := lower(kind, body, level)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "encode a %s record: %w", kind, err)
	}
	if needs > level {
		return nil, fault.Errorf(fault.Unsupported, "%s came with version %d of the repository's schema, and this cluster has agreed on version %d so that nodes of an older release can be in it; when every node runs a release that reads version %d, run `redoubt cluster upgrade --commit`", says, needs, level, needs)
	}
	return seal(kind, needs, body)
}

func seal(kind Kind, level int, body []byte) ([]byte, error) {
	value, err := json.Marshal(envelope{Kind: kind, Level: level, Spec: body})
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
	if !Reads(env.Level) {
		return spec, fault.Errorf(fault.Unsupported, "record %s has version %d of the schema, and this build reads %d to %d; upgrade redoubtd on this node", key, env.Level, OldestLevel, Newest())
	}
	if d, ok := any(&spec).(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
	err := strict(env.Spec, &spec)
	if err == nil && Newest() < newestLevel && kind != KindMembership {
		// A build that stands for an older release does not know what came later.
		if _, needs, says, lerr := lower(kind, env.Spec, newestLevel); lerr != nil || needs > Newest() {
			err = fmt.Errorf("this build does not know %s", says)
		}
	}
	if err != nil {
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
