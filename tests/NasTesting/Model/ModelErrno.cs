namespace NasTesting.Model;

/// <summary>Linux error numbers that the model answers with; the engine's Errno has the same numbers.</summary>
public enum ModelErrno
{
    Ok = 0,
    Perm = 1,
    NoEnt = 2,
    Exist = 17,
    NotDir = 20,
    IsDir = 21,
    Inval = 22,
    NameTooLong = 36,
    NotEmpty = 39,
    NoData = 61,
}

/// <summary>Object types, numbered as HAMMER's obj_type (on-disk-format 5.2).</summary>
public enum ModelType
{
    Directory = 1,
    File = 2,
    Fifo = 4,
    CharDevice = 5,
    BlockDevice = 6,
    Symlink = 7,
    Socket = 9,
}
