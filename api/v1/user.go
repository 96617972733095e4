package v1

import "time"

// Grant is a rights profile or an authorization that somebody holds, and where.
type Grant struct {
	Profile       string `json:"profile,omitempty"`
	Authorization string `json:"authorization,omitempty"`
	Scope         string `json:"scope"` // cluster, zone:NAME or group:NAME
}

// User is what a user, or everybody in a Unix group, holds.
type User struct {
	Name         string     `json:"name"`
	UnixGroup    bool       `json:"unixGroup,omitempty"` // it is a Unix group
	Grants       []Grant    `json:"grants"`
	Roles        []string   `json:"roles,omitempty"` // that the user may assume
	Certificates []UserCert `json:"certificates,omitempty"`
}

// UserCert is a certificate that was given to a user.
type UserCert struct {
	Fingerprint string    `json:"fingerprint"`
	Expires     time.Time `json:"expires"`
	By          string    `json:"by,omitempty"` // who had it signed
	Revoked     bool      `json:"revoked,omitempty"`
}

// UserList asks for the names of the users that hold something.
type UserList struct {
	Names     []string `json:"names,omitempty" query:"names"`
	All       bool     `json:"all,omitempty" query:"all"`
	UnixGroup bool     `json:"unixGroup,omitempty" query:"unixGroup" doc:"Unix groups in place of users"`
}

// UserShow asks what users hold; the answer is a list of User.
type UserShow struct {
	Names     []string `json:"names,omitempty" query:"names"`
	All       bool     `json:"all,omitempty" query:"all"`
	UnixGroup bool     `json:"unixGroup,omitempty" query:"unixGroup" doc:"Unix groups in place of users"`
}

// UserGrant grants profiles, authorizations and roles to users, or to Unix groups.
type UserGrant struct {
	Names         []string `json:"names,omitempty"`
	All           bool     `json:"all,omitempty"`
	UnixGroup     bool     `json:"unixGroup,omitempty" doc:"the names are those of Unix groups"`
	Profile       []string `json:"profile,omitempty" doc:"rights profiles"`
	Authorization []string `json:"authorization,omitempty" doc:"authorizations"`
	Role          []string `json:"role,omitempty" doc:"roles that the users may assume"`
	Scope         string   `json:"scope,omitempty" doc:"where it counts: cluster (if not given), zone:NAME or group:NAME"`
}

// UserRevoke takes profiles, authorizations and roles back.
type UserRevoke struct {
	Names         []string `json:"names,omitempty"`
	All           bool     `json:"all,omitempty"`
	UnixGroup     bool     `json:"unixGroup,omitempty" doc:"the names are those of Unix groups"`
	Profile       []string `json:"profile,omitempty" doc:"rights profiles"`
	Authorization []string `json:"authorization,omitempty" doc:"authorizations"`
	Role          []string `json:"role,omitempty" doc:"roles"`
	Scope         string   `json:"scope,omitempty" doc:"only grants of this scope; of any if not given"`
}

// UserDelete takes everything from users, or from Unix groups; certificates of users are revoked.
type UserDelete struct {
	Names     []string `json:"names,omitempty"`
	All       bool     `json:"all,omitempty"`
	UnixGroup bool     `json:"unixGroup,omitempty" doc:"the names are those of Unix groups"`
}

// UserCertified answers user certificate.
type UserCertified struct {
	Messages    []string  `json:"messages,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Chain       string    `json:"chain,omitempty"`     // PEM: the certificate, then its authority
	Authority   string    `json:"authority,omitempty"` // PEM: the authority of the nodes, by which the user knows them
	Expires     time.Time `json:"expires,omitzero"`
	Revision    int64     `json:"revision,omitempty"`
}

// UserCertificate signs a certificate for a user, with which he is known over the network.
type UserCertificate struct {
	Names   []string `json:"names,omitempty" doc:"the user, one"`
	All     bool     `json:"all,omitempty"`
	Request []byte   `json:"request,omitempty" doc:"the signing request, DER; the key stays with the user"`
	Days    int      `json:"days,omitempty" doc:"how long it holds, at most 825 days; as long as is usual if not given"`
}

// UserRevokeCertificate revokes the certificates of users.
type UserRevokeCertificate struct {
	Names       []string `json:"names,omitempty"`
	All         bool     `json:"all,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"only the one with this fingerprint"`
}

// UserCan asks whether a user may do something, and why; the answer is a Decision.
type UserCan struct {
	User      string   `json:"user" query:"user"`
	UnixGroup []string `json:"unixGroup,omitempty" query:"unixGroup" doc:"as if he were in these Unix groups"`
	Role      string   `json:"role,omitempty" query:"role" doc:"as if he were in this role"`
	Operation string   `json:"operation" query:"operation" doc:"\"group switch\", or an authorization"`
	Object    string   `json:"object,omitempty" query:"object" doc:"a group, group:NAME or resource:NAME; the whole cluster if not given"`
}

// Decision explains whether somebody may do something.
type Decision struct {
	User          string   `json:"user"`
	Operation     string   `json:"operation"`
	Authorization string   `json:"authorization"`
	Object        string   `json:"object"`
	Allowed       bool     `json:"allowed"`
	Why           []string `json:"why"`
}

// UserWhoami asks who the caller is and what he holds; the answer is a Whoami.
type UserWhoami struct{}

// Whoami is who a caller is.
type Whoami struct {
	User        string    `json:"user"`
	Known       string    `json:"known"` // how: local (the kernel says so), certificate, session
	From        string    `json:"from,omitempty"`
	UID         *int      `json:"uid,omitempty"`
	Groups      []string  `json:"groups,omitempty"` // Unix groups
	Root        bool      `json:"root,omitempty"`   // holds everything
	Role        string    `json:"role,omitempty"`   // that he is in
	Roles       []string  `json:"roles,omitempty"`  // that he may assume
	Certificate string    `json:"certificate,omitempty"`
	Session     *Session  `json:"session,omitempty"` // in which the request was made: some operations are none for it
	Holds       []Holding `json:"holds"`
}

// Holding is an authorization that somebody holds, where, and through what.
type Holding struct {
	Authorization string   `json:"authorization"`
	Scope         string   `json:"scope"`
	Through       []string `json:"through"`
}

// RoleList asks for the names of the roles.
type RoleList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// RoleShow asks what roles hold; the answer is a list of Role.
type RoleShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// Role is a set of rights that users assume.
type Role struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Grants      []Grant  `json:"grants"`
	Users       []string `json:"users"` // that may assume it
	HasPassword bool     `json:"hasPassword"`
}

// RoleCreate creates a role.
type RoleCreate struct {
	Names         []string `json:"names,omitempty" doc:"the role, one"`
	All           bool     `json:"all,omitempty"`
	Description   string   `json:"description,omitempty"`
	Profile       []string `json:"profile,omitempty" doc:"rights profiles"`
	Authorization []string `json:"authorization,omitempty" doc:"authorizations"`
	Scope         string   `json:"scope,omitempty" doc:"where they count: cluster (if not given), zone:NAME or group:NAME"`
	Password      []byte   `json:"password,omitempty" secret:"true" doc:"the password, base64; without one nobody assumes the role until it is set"`
}

// RoleDelete deletes roles; nobody may assume them any more.
type RoleDelete struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// RoleSet changes what is given of a role.
type RoleSet struct {
	Names       []string `json:"names,omitempty"`
	All         bool     `json:"all,omitempty"`
	Description string   `json:"description,omitempty"`
}

// RoleGrant grants profiles and authorizations to roles.
type RoleGrant struct {
	Names         []string `json:"names,omitempty"`
	All           bool     `json:"all,omitempty"`
	Profile       []string `json:"profile,omitempty" doc:"rights profiles"`
	Authorization []string `json:"authorization,omitempty" doc:"authorizations"`
	Scope         string   `json:"scope,omitempty" doc:"where it counts: cluster (if not given), zone:NAME or group:NAME"`
}

// RoleRevoke takes profiles and authorizations from roles.
type RoleRevoke struct {
	Names         []string `json:"names,omitempty"`
	All           bool     `json:"all,omitempty"`
	Profile       []string `json:"profile,omitempty" doc:"rights profiles"`
	Authorization []string `json:"authorization,omitempty" doc:"authorizations"`
	Scope         string   `json:"scope,omitempty" doc:"only grants of this scope; of any if not given"`
}

// RolePassword gives a role another password; sessions in it end.
type RolePassword struct {
	Names    []string `json:"names,omitempty" doc:"the role, one"`
	All      bool     `json:"all,omitempty"`
	Password []byte   `json:"password,omitempty" secret:"true" doc:"the password, base64"`
}

// RoleAssume takes on a role; the answer is a RoleSession.
type RoleAssume struct {
	Names    []string `json:"names,omitempty" doc:"the role, one"`
	All      bool     `json:"all,omitempty"`
	Password []byte   `json:"password,omitempty" secret:"true" doc:"the role's password, base64"`
}

// RoleSession is a role that was assumed. Requests that carry the token in the header Redoubt-Session are made in the role, as long as it is the same person who makes them, on the
// node that gave it.
type RoleSession struct {
	Role    string    `json:"role"`
	Token   string    `json:"token" secret:"true"`
	Expires time.Time `json:"expires"` // earlier without requests
}

// SessionHeader carries the token of a session in a role.
const SessionHeader = "Redoubt-Session"

// RoleDrop ends the session in which it is asked for.
type RoleDrop struct{}

// Profile is a rights profile.
type Profile struct {
	Name           string   `json:"name"`
	Description    string   `json:"description,omitempty"`
	Builtin        bool     `json:"builtin,omitempty"` // of the product: it can not be changed
	Authorizations []string `json:"authorizations"`
	Profiles       []string `json:"profiles,omitempty"` // whose authorizations it has too
	Holders        []string `json:"holders,omitempty"`
}

// ProfileList asks for the names of the rights profiles.
type ProfileList struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// ProfileShow asks what is in rights profiles; the answer is a list of Profile.
type ProfileShow struct {
	Names []string `json:"names,omitempty" query:"names"`
	All   bool     `json:"all,omitempty" query:"all"`
}

// ProfileCreate creates a rights profile.
type ProfileCreate struct {
	Names         []string `json:"names,omitempty" doc:"the profile, one"`
	All           bool     `json:"all,omitempty"`
	Description   string   `json:"description,omitempty"`
	Authorization []string `json:"authorization,omitempty" doc:"authorizations"`
	Profile       []string `json:"profile,omitempty" doc:"profiles to put into it"`
}

// ProfileSet gives a rights profile another content; what is not given stays.
type ProfileSet struct {
	Names         []string `json:"names,omitempty" doc:"the profile, one"`
	All           bool     `json:"all,omitempty"`
	Description   string   `json:"description,omitempty"`
	Authorization []string `json:"authorization,omitempty" doc:"its authorizations from now on"`
	Profile       []string `json:"profile,omitempty" doc:"the profiles in it from now on"`
}

// ProfileDelete deletes rights profiles that nobody holds.
type ProfileDelete struct {
	Names []string `json:"names,omitempty"`
	All   bool     `json:"all,omitempty"`
}
