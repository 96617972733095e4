// Package deb holds the tests of what is delivered: the Debian package that scripts/deb builds, and the units of systemd.
package deb
