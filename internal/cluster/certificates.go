package cluster

// UserCertificateDays is how many days a user's certificate may hold at most.
const UserCertificateDays = 825
