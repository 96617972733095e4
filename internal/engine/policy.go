package engine

import (
	"strings"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rbac"
)

// prefixRbac is where all records are that say who may do what.
const prefixRbac = confdb.Root + "rbac/"

// decodeRbac reads a record that says who may do what. One that stands under another name's key is as bad as a damaged one: it must not speak for that name.
func decodeRbac(key string, value []byte) (any, error) {
	var record any
	var name, prefix string
	var err error
	switch {
	case strings.HasPrefix(key, confdb.PrefixUser):
		var r rbac.User
		r, err = confdb.Decode[rbac.User](confdb.KindUser, key, value)
		record, name, prefix = r, r.Name, confdb.PrefixUser
	case strings.HasPrefix(key, confdb.PrefixUnixGrp):
		var r rbac.Group
		r, err = confdb.Decode[rbac.Group](confdb.KindUnixGroup, key, value)
		record, name, prefix = r, r.Name, confdb.PrefixUnixGrp
	case strings.HasPrefix(key, confdb.PrefixRole):
		var r rbac.Role
		r, err = confdb.Decode[rbac.Role](confdb.KindRole, key, value)
		record, name, prefix = r, r.Name, confdb.PrefixRole
	case strings.HasPrefix(key, confdb.PrefixProfile):
		var r rbac.Profile
		r, err = confdb.Decode[rbac.Profile](confdb.KindProfile, key, value)
		record, name, prefix = r, r.Name, confdb.PrefixProfile
	default:
		return nil, nil
	}
	if err == nil && prefix+name != key {
		err = fault.Errorf(fault.Internal, "record %s is that of %q; restore the repository from a snapshot or delete the object and create it again", key, name)
	}
	return record, err
}

// putRbac adds a record to the policy.
func putRbac(p *rbac.Policy, record any) {
	if p.Users == nil {
		p.Users, p.Groups, p.Roles, p.Profiles = map[string]rbac.User{}, map[string]rbac.Group{}, map[string]rbac.Role{}, map[string]rbac.Profile{}
	}
	switch r := record.(type) {
	case rbac.User:
		p.Users[r.Name] = r
	case rbac.Group:
		p.Groups[r.Name] = r
	case rbac.Role:
		p.Roles[r.Name] = r
	case rbac.Profile:
		p.Profiles[r.Name] = r
	}
}

// damagedRbac notes a record that can not be read.
func damagedRbac(p *rbac.Policy, key string) {
	what, ok := strings.CutPrefix(key, prefixRbac)
	if !ok {
		return
	}
	if p.Damaged == nil {
		p.Damaged = map[string]bool{}
	}
	p.Damaged[what] = true
}
