"""Registers as their sources have them, written down apart from the profiles.

One line is quantity, phase (- is the total), function, address on the wire, kind, scale to SI. From
the reference tables, the vendor's EM24-DIN protocol (version 4 revision 0, table 2.3-1), EM300 and
EM500 protocols; what those lack from the protocol documents named in the profiles.
"""

FACTS = {
    "eastron_sdm230": """
    energy_import - 4 0x0048 f32 1000
    energy_export - 4 0x004A f32 1000
    power - 4 0x000C f32 1
    voltage L1 4 0x0000 f32 1
    current L1 4 0x0006 f32 1
    frequency - 4 0x0046 f32 1
    apparent_power - 4 0x0012 f32 1
    reactive_power - 4 0x0018 f32 1
    power_factor - 4 0x001E f32 1
""",
    "eastron_sdm72d_m": """
    energy_import - 4 0x0048 f32 1000
    energy_export - 4 0x004A f32 1000
    power - 4 0x0034 f32 1
""",
    "eastron_sdm72d_m_v2": """
    energy_import - 4 0x0048 f32 1000
    energy_export - 4 0x004A f32 1000
    power - 4 0x0034 f32 1
    power L1 4 0x000C f32 1
    power L2 4 0x000E f32 1
    power L3 4 0x0010 f32 1
    voltage L1 4 0x0000 f32 1
    voltage L2 4 0x0002 f32 1
    voltage L3 4 0x0004 f32 1
    current L1 4 0x0006 f32 1
    current L2 4 0x0008 f32 1
    current L3 4 0x000A f32 1
    frequency - 4 0x0046 f32 1
    apparent_power L1 4 0x0012 f32 1
    apparent_power L2 4 0x0014 f32 1
    apparent_power L3 4 0x0016 f32 1
    reactive_power L1 4 0x0018 f32 1
    reactive_power L2 4 0x001A f32 1
    reactive_power L3 4 0x001C f32 1
    power_factor L1 4 0x001E f32 1
    power_factor L2 4 0x0020 f32 1
    power_factor L3 4 0x0022 f32 1
    apparent_power - 4 0x0038 f32 1
    reactive_power - 4 0x003C f32 1
    power_factor - 4 0x003E f32 1
""",
    "eastron_sdm630_v2": """
    energy_import - 4 0x0048 f32 1000
    energy_import L1 4 0x015A f32 1000
    energy_import L2 4 0x015C f32 1000
    energy_import L3 4 0x015E f32 1000
    energy_export - 4 0x004A f32 1000
    energy_export L1 4 0x0160 f32 1000
    energy_export L2 4 0x0162 f32 1000
    energy_export L3 4 0x0164 f32 1000
    power - 4 0x0034 f32 1
    power L1 4 0x000C f32 1
    power L2 4 0x000E f32 1
    power L3 4 0x0010 f32 1
    voltage L1 4 0x0000 f32 1
    voltage L2 4 0x0002 f32 1
    voltage L3 4 0x0004 f32 1
    reactive_power - 4 0x003C f32 1
    reactive_power L1 4 0x0018 f32 1
    reactive_power L2 4 0x001A f32 1
    reactive_power L3 4 0x001C f32 1
    current L1 4 0x0006 f32 1
    current L2 4 0x0008 f32 1
    current L3 4 0x000A f32 1
    frequency - 4 0x0046 f32 1
    apparent_power L1 4 0x0012 f32 1
    apparent_power L2 4 0x0014 f32 1
    apparent_power L3 4 0x0016 f32 1
    power_factor L1 4 0x001E f32 1
    power_factor L2 4 0x0020 f32 1
    power_factor L3 4 0x0022 f32 1
    apparent_power - 4 0x0038 f32 1
    power_factor - 4 0x003E f32 1
""",
    "klefr_693x_694x": """
    energy_import - 3 0x600C f32 1000
    energy_import L1 3 0x6012 f32 1000
    energy_import L2 3 0x6014 f32 1000
    energy_import L3 3 0x6016 f32 1000
    energy_export - 3 0x6018 f32 1000
    energy_export L1 3 0x601E f32 1000
    energy_export L2 3 0x6020 f32 1000
    energy_export L3 3 0x6022 f32 1000
    power - 3 0x5012 f32 1000
    power L1 3 0x5014 f32 1000
    power L2 3 0x5016 f32 1000
    power L3 3 0x5018 f32 1000
    voltage L1 3 0x5002 f32 1
    voltage L2 3 0x5004 f32 1
    voltage L3 3 0x5006 f32 1
    reactive_power - 3 0x501A f32 1000
    reactive_power L1 3 0x501C f32 1000
    reactive_power L2 3 0x501E f32 1000
    reactive_power L3 3 0x5020 f32 1000
    current L1 3 0x500C f32 1
    current L2 3 0x500E f32 1
    current L3 3 0x5010 f32 1
    frequency - 3 0x5008 f32 1
    apparent_power - 3 0x5022 f32 1000
    apparent_power L1 3 0x5024 f32 1000
    apparent_power L2 3 0x5026 f32 1000
    apparent_power L3 3 0x5028 f32 1000
""",
    "carlo_gavazzi_em24": """
    voltage L1 4 0x0000 s32 0.1
    voltage L2 4 0x0002 s32 0.1
    voltage L3 4 0x0004 s32 0.1
    voltage L1-L2 4 0x0006 s32 0.1
    voltage L2-L3 4 0x0008 s32 0.1
    voltage L3-L1 4 0x000A s32 0.1
    current L1 4 0x000C s32 0.001
    current L2 4 0x000E s32 0.001
    current L3 4 0x0010 s32 0.001
    power L1 4 0x0012 s32 0.1
    power L2 4 0x0014 s32 0.1
    power L3 4 0x0016 s32 0.1
    apparent_power L1 4 0x0018 s32 0.1
    apparent_power L2 4 0x001A s32 0.1
    apparent_power L3 4 0x001C s32 0.1
    power - 4 0x0028 s32 0.1
    apparent_power - 4 0x002A s32 0.1
    reactive_power - 4 0x002C s32 0.1
    frequency - 4 0x0037 s16 0.1
    energy_import - 4 0x003E s32 100
    energy_import L1 4 0x0046 s32 100
    energy_import L2 4 0x0048 s32 100
    energy_import L3 4 0x004A s32 100
    energy_export - 4 0x005C s32 100
""",
    "carlo_gavazzi_em340": """
    voltage L1 4 0x0000 s32 0.1
    voltage L2 4 0x0002 s32 0.1
    voltage L3 4 0x0004 s32 0.1
    voltage L1-L2 4 0x0006 s32 0.1
    voltage L2-L3 4 0x0008 s32 0.1
    voltage L3-L1 4 0x000A s32 0.1
    current L1 4 0x000C s32 0.001
    current L2 4 0x000E s32 0.001
    current L3 4 0x0010 s32 0.001
    power L1 4 0x0012 s32 0.1
    power L2 4 0x0014 s32 0.1
    power L3 4 0x0016 s32 0.1
    apparent_power L1 4 0x0018 s32 0.1
    apparent_power L2 4 0x001A s32 0.1
    apparent_power L3 4 0x001C s32 0.1
    reactive_power L1 4 0x001E s32 0.1
    reactive_power L2 4 0x0020 s32 0.1
    reactive_power L3 4 0x0022 s32 0.1
    power - 4 0x0028 s32 0.1
    apparent_power - 4 0x002A s32 0.1
    reactive_power - 4 0x002C s32 0.1
    power_factor L1 4 0x002E s16 0.001
    power_factor L2 4 0x002F s16 0.001
    power_factor L3 4 0x0030 s16 0.001
    power_factor - 4 0x0031 s16 0.001
    frequency - 4 0x0033 s16 0.1
    energy_import L1 4 0x0040 s32 100
    energy_import L2 4 0x0042 s32 100
    energy_import L3 4 0x0044 s32 100
    energy_import - 4 0x0400 s32 1000
    energy_import - 4 0x0402 s32 1
    energy_export - 4 0x0408 s32 1000
    energy_export - 4 0x040A s32 1
""",
    "carlo_gavazzi_em540": """
    voltage L1 4 0x0000 s32 0.1
    voltage L2 4 0x0002 s32 0.1
    voltage L3 4 0x0004 s32 0.1
    voltage L1-L2 4 0x0006 s32 0.1
    voltage L2-L3 4 0x0008 s32 0.1
    voltage L3-L1 4 0x000A s32 0.1
    current L1 4 0x000C s32 0.001
    current L2 4 0x000E s32 0.001
    current L3 4 0x0010 s32 0.001
    power L1 4 0x0012 s32 0.1
    power L2 4 0x0014 s32 0.1
    power L3 4 0x0016 s32 0.1
    apparent_power L1 4 0x0018 s32 0.1
    apparent_power L2 4 0x001A s32 0.1
    apparent_power L3 4 0x001C s32 0.1
    reactive_power L1 4 0x001E s32 0.1
    reactive_power L2 4 0x0020 s32 0.1
    reactive_power L3 4 0x0022 s32 0.1
    power - 4 0x0028 s32 0.1
    apparent_power - 4 0x002A s32 0.1
    reactive_power - 4 0x002C s32 0.1
    power_factor L1 4 0x002E s16 0.001
    power_factor L2 4 0x002F s16 0.001
    power_factor L3 4 0x0030 s16 0.001
    power_factor - 4 0x0031 s16 0.001
    frequency - 4 0x0033 s16 0.1
    energy_import - 4 0x0500 s64 1
    energy_import L1 4 0x0510 s64 1
    energy_import L2 4 0x0514 s64 1
    energy_import L3 4 0x0518 s64 1
    energy_export - 4 0x051C s64 1
""",
    "acrel_djsf1352_rn": """
    voltage - 3 0x0000 u16 1
    current - 3 0x0002 s16 1
    temperature - 3 0x0005 s16 0.1
    power - 3 0x0008 s16 1
    energy_import - 3 0x000C u32 1
    energy_export - 3 0x000E u32 1
""",
}
