/// What restic 0.14 keeps (`restic forget --dry-run --json --group-by '' --keep-…`) of the same backups, in UTC.
///
/// Made by taking 88 snapshots with `restic backup --time` and asking restic once for each policy: among them the ends of
/// years with a week 53 (2020) and without, leap days, days and hours with several backups, and gaps of months.
enum ResticTable {
    /// Seconds since 1970, oldest first.
    static let times: [Int64] = [
        1582934399, 1582977600, 1583020800, 1609063200, 1609149600, 1609459199, 1609459200, 1609718399,
        1609718400, 1704063600, 1704070800, 1709172000, 1735437600, 1735524000, 1735696800, 1744794003,
        1747267461, 1749248979, 1752738509, 1754760506, 1757603531, 1759380246, 1763403246, 1765699730,
        1767232800, 1767722141, 1770624091, 1773116386, 1774922400, 1776301505, 1779073409, 1780793150,
        1783606520, 1786183949, 1789091115, 1790653940, 1791418097, 1791506629, 1791592126, 1791679995,
        1791767598, 1791853375, 1791942601, 1792027242, 1792113187, 1792198098, 1792288130, 1792369474,
        1792459565, 1792629604, 1792714433, 1792801627, 1792888530, 1792979486, 1793065602, 1793147567,
        1793238356, 1793318915, 1793407324, 1793497219, 1793583710, 1793669389, 1793754351, 1793925625,
        1794014972, 1794096427, 1794185086, 1794275428, 1794361696, 1794444644, 1794523154, 1794530426,
        1794617211, 1794707605, 1794739223, 1794743759, 1794745098, 1794749309, 1794756820, 1794762810,
        1794766550, 1794769806, 1794773680, 1794783217, 1794785332, 1794788766, 1794791553, 1794793165,
    ]

    /// A policy, as `rule=count` and `within=span`; then which backups are kept (k) and which are not, oldest first.
    static let kept: [(policy: String, kept: String)] = [
        (
            "last=1",
            ".......................................................................................k"
        ),
        (
            "last=3",
            ".....................................................................................kkk"
        ),
        (
            "last=8",
            "................................................................................kkkkkkkk"
        ),
        (
            "last=200",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "hourly=1",
            ".......................................................................................k"
        ),
        (
            "hourly=3",
            "....................................................................................kk.k"
        ),
        (
            "hourly=8",
            "...............................................................................kkkkkkk.k"
        ),
        (
            "hourly=200",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk.k"
        ),
        (
            "daily=1",
            ".......................................................................................k"
        ),
        (
            "daily=3",
            "........................................................................k...........k..k"
        ),
        (
            "daily=8",
            "..................................................................kkk.kkk...........k..k"
        ),
        (
            "daily=200",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk.kkk...........k..k"
        ),
        (
            "weekly=1",
            ".......................................................................................k"
        ),
        (
            "weekly=3",
            ".................................................................k..................k..k"
        ),
        (
            "weekly=8",
            "...................................k...k......k.....k......k.....k..................k..k"
        ),
        (
            "weekly=200",
            "..kk...kkkkkk.kkkkkkkkkkkkkkkkkkkkkk...k......k.....k......k.....k..................k..k"
        ),
        (
            "monthly=1",
            ".......................................................................................k"
        ),
        (
            "monthly=3",
            "...................................k......................k............................k"
        ),
        (
            "monthly=8",
            ".............................kkkkk.k......................k............................k"
        ),
        (
            "monthly=200",
            ".kk..k..kkkk.kkkkkkkkkkk.kk.kkkkkk.k......................k............................k"
        ),
        (
            "yearly=1",
            ".......................................................................................k"
        ),
        (
            "yearly=3",
            ".............k.........k...............................................................k"
        ),
        (
            "yearly=8",
            ".....k..kk...k.........k...............................................................k"
        ),
        (
            "yearly=200",
            ".....k..kk...k.........k...............................................................k"
        ),
        (
            "within=1h",
            "......................................................................................kk"
        ),
        (
            "within=30d",
            "..............................................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "within=1m",
            ".............................................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "within=2y5m7d3h",
            "............kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "within=1y",
            "......................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "within=13m",
            "......................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "within=100y",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "hourly=2 daily=2 weekly=12 monthly=5 within=1m",
            "...............................kkkkk...k.....kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=5 weekly=2",
            "...................................................................................kkkkk"
        ),
        (
            "hourly=30 yearly=5",
            "........kk...k.........k.................................kkkkkkkkkkkkkkkkkkkkkkkkkkkkk.k"
        ),
        (
            "last=5 hourly=1 weekly=1 monthly=1 yearly=7 within=3d",
            ".....k..kk...k.........k................................................kkkkkkkkkkkkkkkk"
        ),
        (
            "daily=2 monthly=3",
            "...................................k......................k.........................k..k"
        ),
        (
            "last=1 weekly=5 monthly=2 yearly=3",
            ".............k.........k............................k.....kk.....k..................k..k"
        ),
        (
            "last=12 hourly=1 daily=7 weekly=12 yearly=7 within=3d",
            ".....k..kk...k.........k.......kkkkk...k......k.....k......k.....k.kk.kkkkkkkkkkkkkkkkkk"
        ),
        (
            "hourly=3 weekly=2",
            "....................................................................................kk.k"
        ),
        (
            "last=30 weekly=2 within=5m31d",
            "..............................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=12 hourly=1 weekly=2",
            "............................................................................kkkkkkkkkkkk"
        ),
        (
            "weekly=2 monthly=5 yearly=2",
            ".......................k........kk.k......................k.........................k..k"
        ),
        (
            "daily=12 weekly=12 monthly=12 yearly=5",
            "........kk...k.........k.kk.kkkkkkkk...k......k.....k.....kk..kkkkkkk.kkk...........k..k"
        ),
        (
            "hourly=2 daily=12 weekly=30",
            "............k.kkkkkkkkkkkkkkkkkkkkkk...k......k.....k......k..kkkkkkk.kkk...........kk.k"
        ),
        (
            "hourly=2 daily=2 weekly=7 within=5m31d",
            "..............................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "daily=7 monthly=30",
            ".kk..k..kkkk.kkkkkkkkkkk.kk.kkkkkk.k......................k........kk.kkk...........k..k"
        ),
        (
            "daily=30 weekly=30 monthly=3 yearly=7 within=5m31d",
            ".....k..kk..kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=7 hourly=2 daily=12 weekly=5",
            "....................................................k......k..kkkkkkk.kkk........kkkkkkk"
        ),
        (
            "daily=2 monthly=5",
            "................................kk.k......................k.........................k..k"
        ),
        (
            "hourly=2 daily=12 weekly=1 monthly=7",
            "..............................kkkk.k......................k...kkkkkkk.kkk...........kk.k"
        ),
        (
            "daily=2 weekly=30 monthly=5",
            "............k.kkkkkkkkkkkkkkkkkkkkkk...k......k.....k.....kk.....k..................k..k"
        ),
        (
            "hourly=7 monthly=3 yearly=7",
            ".....k..kk...k.........k...........k......................k.....................kkkkkk.k"
        ),
        (
            "hourly=7 monthly=7 within=1y2m",
            ".....................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=1 hourly=3 daily=2 weekly=2",
            "....................................................................................kk.k"
        ),
        (
            "last=12 daily=3 yearly=1",
            "........................................................................k...kkkkkkkkkkkk"
        ),
        (
            "last=12 daily=5 monthly=5 yearly=3 within=1m",
            ".............k.........k........kk.k.........kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=7 hourly=12 daily=3 monthly=1 yearly=30 within=3d",
            ".....k..kk...k.........k................................................kkkkkkkkkkkkkkkk"
        ),
        (
            "last=3 hourly=30 daily=30 weekly=5",
            "............................................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=7 monthly=1 within=3d",
            "........................................................................kkkkkkkkkkkkkkkk"
        ),
        (
            "last=1 weekly=30 monthly=3",
            "............k.kkkkkkkkkkkkkkkkkkkkkk...k......k.....k.....kk.....k..................k..k"
        ),
        (
            "last=7 hourly=3 weekly=12 monthly=1 within=36h",
            "...............................kkkkk...k......k.....k......k.....k.......kkkkkkkkkkkkkkk"
        ),
        (
            "last=3 weekly=5 yearly=3",
            ".............k.........k............................k......k.....k..................kkkk"
        ),
        (
            "hourly=1 monthly=5 yearly=5 within=1y2m",
            "........kk...k.......kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "monthly=2",
            "..........................................................k............................k"
        ),
        (
            "weekly=3 within=1m",
            ".............................................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=1 hourly=30 daily=7 monthly=2 within=36h",
            ".........................................................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "last=5 hourly=3 yearly=3 within=36h",
            ".............k.........k.................................................kkkkkkkkkkkkkkk"
        ),
        (
            "last=5 hourly=3 weekly=7 yearly=30 within=1y2m",
            ".....k..kk...k.......kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "hourly=3 daily=2 weekly=7 yearly=12",
            ".....k..kk...k.........k...............k......k.....k......k.....k..................kk.k"
        ),
        (
            "weekly=3 within=5m31d",
            "..............................kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
        ),
        (
            "weekly=7",
            ".......................................k......k.....k......k.....k..................k..k"
        ),
    ]
}
